"""Files from the network: resumed, checked, and never incomplete."""

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from vit_adapter.config import InputError
from vit_adapter.config.files import write_atomically
from vit_adapter.config.progress_bar import ProgressBar

from .detection_recipe import DetectionRecipe
from .recipe import Recipe

CACHE_VARIABLE = "VIT_ADAPTER_CACHE"
_BLOCK = 1 << 20
_TIMEOUT_SECONDS = 30
_ATTEMPTS = 4


def cache_folder() -> Path:
    """Where downloads go: the folder in VIT_ADAPTER_CACHE, else ``~/.cache/vit-adapter``."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else Path.home() / ".cache" / "vit-adapter"


def published_checkpoint(recipe: Recipe | DetectionRecipe, *, quiet: bool = False) -> Path:
    """The published model of a recipe, downloaded if it is not there.

    Raises:
        InputError: It was not published, or cannot be obtained.
    """
    if isinstance(recipe, Recipe) and recipe.origin == "dinov3":
        raise InputError(
            f"{recipe.name}: its authors give its two files to those who accept the {recipe.licence}, at "
            f"{recipe.source.homepage}; name both: load({recipe.name!r}, checkpoint=HEAD, vit=VIT), or make a model "
            f"folder: vit-adapter convert HEAD --recipe {recipe.name} --vit VIT -o FOLDER"
        )
    if recipe.checkpoint_url is None:
        raise InputError(
            f"{recipe.name}: no checkpoint was published for it; train it, or give a file of your own"
        )
    return download(recipe.checkpoint_url, quiet=quiet)


def download(url: str, folder: Path | None = None, *, sha256: str | None = None, quiet: bool = False) -> Path:
    """A file from the network.

    A file that is there is not fetched again. What was fetched before an interruption is kept and continued. The
    checksum of the first complete download is recorded beside the file; any later one has to agree with it.

    Args:
        url: http or https address.
        folder: Where the file goes under its own name; None: the cache.
        sha256: Known checksum in hexadecimal digits; None: trust on first use.
        quiet: No progress bar.

    Returns:
        The file, complete.

    Raises:
        InputError: No network, no such file, cut off, full disk or another checksum: one line that says what to
            fetch and where to put it.
    """
    parts = urlsplit(url)
    name = unquote(parts.path.rpartition("/")[2])
    if parts.scheme not in ("http", "https") or name in ("", ".", "..") or set(name) & set("/\\\0"):
        raise InputError(f"{url}: is not an http or https address of a file")
    folder = cache_folder() if folder is None else folder
    target, record = folder / name, folder / f"{name}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f"{name}.lock"):
            if not _is_there(target, record, sha256):
                partial = folder / f"{name}.partial"
                _fetch_with_retries(url, partial, target, quiet)
                _accept(partial, target, record, url, sha256)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {(error.strerror or str(error)).lower()}") from error
    return target


def _is_there(target: Path, record: Path, sha256: str | None) -> bool:
    """Whether the file is complete; a file that someone put there is hashed and recorded."""
    if not target.is_file():
        return False
    known, size = _read(record), target.stat().st_size
    if known.get("size") == size and known.get("sha256") and sha256 in (None, known["sha256"]):
        return True
    _check(target, target, record, sha256)
    return True


def _accept(partial: Path, target: Path, record: Path, url: str, sha256: str | None) -> None:
    try:
        _check(partial, target, record, sha256, url)
    except InputError:
        partial.unlink()  # continuing it would never get better
        _validators(partial).unlink(missing_ok=True)
        raise
    os.replace(partial, target)
    _validators(partial).unlink(missing_ok=True)


def _check(file: Path, target: Path, record: Path, sha256: str | None, url: str | None = None) -> None:
    """Compares a complete file with the known or recorded checksum, and records it."""
    found, known = _hash(file), _read(record)
    if sha256 is not None and found != sha256.lower():
        raise InputError(
            f"{target}: its SHA-256 is {found}, expected {sha256}; the file is damaged or another one"
        )
    if sha256 is None and known.get("sha256") not in (None, found):
        raise InputError(
            f"{target}: its SHA-256 is {found}, but {known['sha256']} was recorded when it was first fetched; remove "
            f"{target} if it is damaged, or {record} if the new file is right"
        )
    content = {"url": url or known.get("url"), "size": file.stat().st_size, "sha256": found}
    write_atomically(
        record, lambda path: path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    )


def _fetch_with_retries(url: str, partial: Path, target: Path, quiet: bool) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        before = _size(partial)
        reason = _fetch(url, partial, target, quiet)
        if reason is None:
            return
        gained = _size(partial) > before
        if not gained and (attempt > 1 or before == 0):
            break  # nothing arrives: retrying would only make the user wait
        time.sleep(0.2 * attempt)
    had = _size(partial) if _read(_validators(partial)).get("validator") else 0
    kept = f"; {had:,} bytes are kept, the same command continues" if had else ""
    raise InputError(f"{url}: {reason}{kept}; or fetch it elsewhere and put it at {target}")


def _fetch(url: str, partial: Path, target: Path, quiet: bool) -> str | None:
    """One attempt; None when the file is complete, otherwise the reason why it is not.

    Raises:
        InputError: Where another attempt is of no use.
    """
    have, headers = _size(partial), {"User-Agent": "vit-adapter"}
    validator = _read(_validators(partial)).get("validator") if have else None
    if validator:
        # If the file has changed since, the server sends all of it.
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    try:
        with urlopen(Request(url, headers=headers), timeout=_TIMEOUT_SECONDS) as response:
            return _receive(cast(HTTPResponse, response), partial, target, have, url, quiet)
    except HTTPError as error:
        error.close()
        if error.code == 416:
            partial.unlink(missing_ok=True)  # longer than the file on the server: start again
            return "the part that was there did not fit"
        if error.code >= 500:
            return f"the server answers {error.code} ({error.reason})"
        meaning = {404: "there is no such file", 410: "the file is gone"}.get(error.code, "access is refused")
        raise InputError(
            f"{url}: {meaning} ({error.code}); fetch it from its page or elsewhere and put it at {target}"
        ) from error
    except URLError as error:
        return f"cannot be reached ({error.reason}); is there a network?"
    except (HTTPException, TimeoutError, ConnectionError) as error:
        return f"the connection was cut ({str(error) or type(error).__name__})"


def _receive(
    response: HTTPResponse, partial: Path, target: Path, have: int, url: str, quiet: bool
) -> str | None:
    if response.headers.get_content_type() == "text/html":
        raise InputError(
            f"{url}: the server answers with a web page; fetch the file in a browser and put it at {target}"
        )
    start = have if response.status == 206 else 0
    if response.status == 206:
        told = (response.headers.get("Content-Range") or "").removeprefix("bytes ").partition("-")[0].strip()
        if told != str(have):
            partial.unlink(missing_ok=True)
            return "the server continued at another place"
    length = response.headers.get("Content-Length")
    total = start + int(length) if length and length.isdigit() else None
    if total is not None and shutil.disk_usage(partial.parent).free < total - start:
        raise InputError(
            f"{target}: needs {total:,} bytes, the disk has less; free some or set {CACHE_VARIABLE}"
        )
    validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
    if validator and validator.startswith("W/"):
        validator = response.headers.get("Last-Modified")  # a weak tag does not promise equal bytes
    if start == 0:
        text = json.dumps({"validator": validator})
        write_atomically(_validators(partial), lambda path: path.write_text(text, encoding="utf-8"))
    with (
        partial.open("ab" if start else "wb") as file,
        ProgressBar(target.name, total, done=start, in_bytes=True, shown=not quiet) as bar,
    ):
        while block := response.read(_BLOCK):
            file.write(block)
            bar.advance(len(block))
    if total is not None and _size(partial) != total:
        return f"cut off after {_size(partial):,} of {total:,} bytes"
    return None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time for a file; without effect where the system has no such locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("wb") as file:
        fcntl.flock(cast(BinaryIO, file), fcntl.LOCK_EX)
        yield


def _validators(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
