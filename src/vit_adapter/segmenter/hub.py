"""The model hub: folders uploaded and fetched, every failure in one line."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import HfApi, constants, snapshot_download

from vit_adapter.config import InputError
from vit_adapter.config.network import offline_by_choice, unreachable


def upload(
    repo_id: str,
    write: Callable[[Path, str], None],
    *,
    private: bool | None = None,
    token: str | None = None,
    branch: str | None = None,
    create_pr: bool | None = None,
    commit_message: str = "Upload a vit-adapter model",
    **settings: Any,
) -> str:
    """Uploads a folder.

    Args:
        repo_id: "owner/name" on the hub, or "name" of the token's owner; made if it is missing.
        write: Given an empty folder and "owner/name", writes what is to be uploaded.
        private: Of a new repository.
        token: Access token; None: the one stored by ``hf auth login``.
        branch: Where the files go; None: the main one.
        create_pr: Open a pull request instead of writing.
        commit_message: Of the upload.
        settings: Further settings of ``HfApi.upload_folder``.

    Returns:
        Address of the commit.

    Raises:
        InputError: The hub refuses or cannot be reached.
    """
    api = HfApi(token=token)
    try:
        repo_id = api.create_repo(repo_id=repo_id, private=private, exist_ok=True).repo_id
        with TemporaryDirectory() as folder:
            write(Path(folder), repo_id)
            return api.upload_folder(
                repo_id=repo_id,
                folder_path=folder,
                commit_message=commit_message,
                revision=branch,
                create_pr=create_pr,
                **settings,
            )
    except InputError:
        raise
    except Exception as error:
        # What the client raises differs from release to release; the remedy is in its words.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{repo_id}: cannot be uploaded to the hub: {reason}") from error


def fetch_repository(name: str, settings: dict[str, Any]) -> str:
    """Folder of a hub repository on this machine.

    Args:
        name: "owner/name" on the hub.
        settings: ``revision``, ``token``, ``cache_dir`` ... as ``huggingface_hub`` takes them.

    Raises:
        InputError: There is none, or it cannot be fetched.
    """
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
