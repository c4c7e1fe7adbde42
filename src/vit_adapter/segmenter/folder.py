"""A segmenter as a folder or hub repository."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from huggingface_hub import HfApi, ModelHubMixin, constants, snapshot_download
from torch import Tensor

from vit_adapter.config import ClassTable, InferenceConfig, InputError, ModelConfig, from_plain, to_plain
from vit_adapter.config.network import offline_by_choice, unreachable
from vit_adapter.config.paths import takes_paths
from vit_adapter.config.random_state import random_state_kept
from vit_adapter.weights.files import is_weights_file, read_state_dict
from vit_adapter.weights.model_folder import load_exactly, read_model_folder, write_model_folder
from vit_adapter.weights.run_checkpoint import run_description

from .card import model_card
from .parts import check_number_of_means

if TYPE_CHECKING:
    from .model import Segmenter


class ModelFolder(
    ModelHubMixin,
    library_name="vit-adapter",
    tags=["image-segmentation", "vit-adapter"],
    pipeline_tag="image-segmentation",
):
    """Saving and loading, for ``Segmenter`` to inherit."""

    @takes_paths("save_directory")
    def save_pretrained(self: Any, save_directory: str | Path, **hub: Any) -> str | None:
        """Writes ``config.json``, ``model.safetensors`` and a model card.

        Args:
            save_directory: The folder; made if it is missing. Files are written beside and renamed.
            hub: What ``huggingface_hub`` adds when the folder is to be uploaded.

        Raises:
            InputError: The model was made from modules, which no file can describe; or the disk is full.
        """
        self._write(Path(save_directory), None)
        if hub.pop("push_to_hub", False):
            repo_id = hub.pop("repo_id", None) or Path(save_directory).name
            return self.push_to_hub(repo_id, **hub)
        return None

    def push_to_hub(
        self: Any,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
        commit_message: str = "Upload a vit-adapter model",
        **upload: Any,
    ) -> str:
        """Uploads the model, with a card that names classes, licence and how to load it.

        Args:
            repo_id: "owner/name" on the hub; made if it is missing.
            private: Of a new repository.
            token: Access token; None: the one stored by ``hf auth login``.
            branch: Where the files go; None: the main one.
            create_pr: Open a pull request instead of writing.
            commit_message: Of the upload.
            upload: Further settings of ``HfApi.upload_folder``, such as ``ignore_patterns``.

        Returns:
            Address of the commit.

        Raises:
            InputError: The model cannot be described, or the hub refuses or cannot be reached.
        """
        self.to_dict()  # what no file can describe is refused before a repository is made
        api = HfApi(token=token)
        try:
            repo_id = api.create_repo(repo_id=repo_id, private=private, exist_ok=True).repo_id
            with TemporaryDirectory() as folder:
                self._write(Path(folder), repo_id)
                return api.upload_folder(
                    repo_id=repo_id,
                    folder_path=folder,
                    commit_message=commit_message,
                    revision=branch,
                    create_pr=create_pr,
                    **upload,
                )
        except InputError:
            raise
        except Exception as error:
            # What the client raises differs from release to release; the remedy is in its words.
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(f"{repo_id}: cannot be uploaded to the hub: {reason}") from error

    def _write(self: Any, folder: Path, repository: str | None) -> None:
        values = self.to_dict()
        card = model_card(self.model_config, self.classes, self.protocol, repository, self.training_facts)
        write_model_folder(folder, values, self.state_dict(), card)

    @classmethod
    @takes_paths("pretrained_model_name_or_path")
    def from_pretrained(cls: Any, pretrained_model_name_or_path: str | Path, **hub: Any) -> "Segmenter":
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
        config, state, where = read_model(pretrained_model_name_or_path, hub)
        with random_state_kept():  # no random weight survives
            model = cls.from_dict(config, where)
        load_exactly(model, state, where)
        return model.eval()

    def to_dict(self: Any) -> dict[str, Any]:
        """What ``config.json`` holds beside format and version.

        Raises:
            InputError: The model was made from modules, which no file can describe.
        """
        if self.model_config is None:
            raise InputError(
                "this model was made from modules of your own, which config.json cannot describe; save its "
                "state_dict, or name the ViT and the head instead"
            )
        return {
            "model": to_plain(self.model_config),
            "classes": self.classes.to_dict(),
            "protocol": to_plain(self.protocol),
            "training": dict(self.training_facts),
        }

    @classmethod
    def from_dict(cls: Any, values: dict[str, Any], where: str = "configuration") -> "Segmenter":
        """The model that ``to_dict`` described, with random weights.

        Raises:
            InputError: A part is missing or does not fit; ``where`` names the file.
        """
        for part in ("model", "classes", "protocol"):
            if part not in values:
                raise InputError(f"{where}: {part!r} is missing")
        if "normalization" not in values["protocol"]:
            raise InputError(f"{where}: the protocol names no normalization")
        model = from_plain(ModelConfig, values["model"], where).with_pretrained(False)
        protocol = from_plain(InferenceConfig, values["protocol"], where)
        check_number_of_means(protocol.normalization, model.vit.in_chans, where)
        segmenter = cls.from_config(model, ClassTable.from_dict(values["classes"]), protocol)
        segmenter.training_facts = dict(values.get("training") or {})
        return segmenter


def read_model(
    source: str | Path, hub: dict[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Tensor], str]:
    """Description (as ``config.json`` has it) and tensors of a model, and how messages name its place.

    Args:
        source: Folder, a run's checkpoint, or "owner/name" on the hub.
        hub: Settings for the hub's client.

    Raises:
        InputError: There is no such model, or the file holds weights without a description.
    """
    path = Path(source)
    if is_weights_file(source):
        state, file = read_state_dict(source)
        if "run" not in file.values:
            raise InputError(
                f"{file.path}: a weights file that does not say which model it belongs to; name the recipe and give "
                f"the file with --checkpoint {file.path}, or make a model folder: vit-adapter convert {file.path} "
                "-o FOLDER"
            )
        return run_description(file.values, file.path), state, file.path
    if not path.is_dir():
        path = Path(_download(str(source), hub or {}))
    config, state = read_model_folder(path)
    return config, state, str(path / "config.json")


def _download(name: str, settings: dict[str, Any]) -> str:
    """Folder of a hub repository on this machine."""
    endpoint = settings.get("endpoint") or constants.ENDPOINT
    reason = None if settings.get("local_files_only") or offline_by_choice() else unreachable(endpoint)
    if reason is not None:
        try:
            return snapshot_download(name, **{**settings, "local_files_only": True})
        except (OSError, ValueError) as error:
            raise InputError(
                f"{name}: no model folder, and no hub repository that is on this machine: {reason}; without a network, "
                "fetch the repository elsewhere and name its folder"
            ) from error
    try:
        return snapshot_download(name, **settings)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{name}: neither a model folder nor a hub repository that can be read: {reason}"
        ) from error
