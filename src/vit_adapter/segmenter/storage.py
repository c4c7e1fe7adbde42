"""A segmenter on disk and on the model hub: ``config.json`` and weights, written and read."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from torch import nn

from vit_adapter.config import ClassTable, InferenceConfig, InputError, ModelConfig, TaskName
from vit_adapter.config.paths import takes_paths
from vit_adapter.config.random_state import random_state_kept
from vit_adapter.config.values import check_kind
from vit_adapter.weights.load import fit_state, optional_entries
from vit_adapter.weights.model_folder import write_model_folder

from .card import model_card
from .folder import Description, read_model
from .hub import upload


class StoredModel(nn.Module):
    """The part of a segmenter that writes it to a folder or to the hub, and builds it from there."""

    if TYPE_CHECKING:
        classes: ClassTable
        protocol: InferenceConfig
        model_config: ModelConfig | None
        training_facts: dict[str, Any]
        task_name: TaskName

        @classmethod
        def from_config(
            cls,
            config: ModelConfig,
            classes: ClassTable,
            protocol: InferenceConfig | None = None,
            task: TaskName | None = None,
        ) -> Self: ...

        def _check_whole(self, wish: str) -> None: ...

    @takes_paths("save_directory")
    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        push_to_hub: bool = False,
        repo_id: str | None = None,
        **hub: Any,
    ) -> str | None:
        """Writes ``config.json``, ``model.safetensors`` and a model card.

        Args:
            save_directory: The folder; made if it is missing. Files are written beside and renamed.
            push_to_hub: Upload it as well.
            repo_id: "owner/name" there; None: the folder's name.
            hub: Further arguments of ``push_to_hub``.

        Returns:
            Address of the commit where it was uploaded.

        Raises:
            InputError: The model was made from modules, which no file can describe; or the disk is full.
        """
        check_kind("save_directory", save_directory, (str, os.PathLike), "a folder")
        self._write(Path(save_directory), None)
        return self.push_to_hub(repo_id or Path(save_directory).name, **hub) if push_to_hub else None

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
        commit_message: str = "Upload a vit-adapter model",
        **settings: Any,
    ) -> str:
        """Uploads the model, with a card that names classes, licence and how to load it.

        Args:
            repo_id: "owner/name" on the hub; made if it is missing.
            private: Of a new repository.
            token: Access token; None: the one stored by ``hf auth login``.
            branch: Where the files go; None: the main one.
            create_pr: Open a pull request instead of writing.
            commit_message: Of the upload.
            settings: Further settings of ``HfApi.upload_folder``, such as ``ignore_patterns``.

        Returns:
            Address of the commit.

        Raises:
            InputError: The model cannot be described, or the hub refuses or cannot be reached.
        """
        self.to_dict()  # what no file can describe is refused before a repository is made
        return upload(
            repo_id,
            self._write,
            private=private,
            token=token,
            branch=branch,
            create_pr=create_pr,
            commit_message=commit_message,
            **settings,
        )

    @classmethod
    @takes_paths("pretrained_model_name_or_path")
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **hub: Any) -> Self:
        """Builds the model of a folder, of a run's checkpoint, or of a hub repository of that name.

        Args:
            pretrained_model_name_or_path: Folder; a run's ``last.ckpt`` (its averaged weights where it has some;
                ``last.ckpt#model``: those of the last step); or "owner/name" on the hub.
            hub: ``revision``, ``token``, ``cache_dir`` ... as ``huggingface_hub`` takes them.

        Returns:
            The model in evaluation mode.

        Raises:
            InputError: There is no such model, or it is damaged.
        """
        values, state, where = read_model(pretrained_model_name_or_path, hub)
        described = Description.from_dict(values, where)
        with random_state_kept():  # no random weight survives
            model = cls.from_config(described.model, described.classes, described.protocol, described.task)
        model.training_facts = described.training
        model.load_state_dict(
            fit_state(model.state_dict(), state, where=where, allow_missing=optional_entries(model))[0]
        )
        return model.eval()

    def to_dict(self) -> dict[str, Any]:
        """What ``config.json`` holds beside format and version.

        Raises:
            InputError: The model was made from modules, which no file can describe.
        """
        if self.model_config is None:
            raise InputError(
                "this model was made from modules of your own, which config.json cannot describe; save its "
                "state_dict, or name the ViT and the head instead"
            )
        return Description(
            self.model_config, self.classes, self.protocol, self.training_facts, self.task_name
        ).to_dict()

    def _write(self, folder: Path, repository: str | None) -> None:
        self._check_whole("saved")
        values = self.to_dict()
        assert self.model_config is not None
        card = model_card(
            self.model_config, self.classes, self.protocol, repository, self.training_facts, self.task_name
        )
        write_model_folder(folder, values, self.state_dict(), card)
