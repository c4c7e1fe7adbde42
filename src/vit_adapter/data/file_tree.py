"""Files by the names that people and lists have for them: links followed, whichever Unicode form either side uses."""

import os
import unicodedata
from pathlib import Path

from vit_adapter.config import InputError
from vit_adapter.images.listing import IMAGE_SUFFIXES, is_folder


def composed(text: str) -> str:
    """The text with every accent in one character with its letter (NFC)."""
    return unicodedata.normalize("NFC", text)


def _stem(name: str) -> str:
    return composed(Path(name).stem).casefold()


class FileFinder:
    """Finds files below folders; each folder is listed once."""

    def __init__(self) -> None:
        self._listings: dict[Path, list[str]] = {}
        self._composed: dict[Path, dict[str, list[str]]] = {}
        self._stems: dict[Path, dict[str, list[Path]]] = {}

    def find(self, folder: Path, name: Path) -> Path | None:
        """The file, links followed; None when there is none.

        The same letters count as the same name, whether an accent is a character of its own or not: systems differ.

        Raises:
            InputError: When two files have that name and neither is written the same way.
        """
        place = folder
        for part in name.parts:
            exact = place / part
            if not os.path.lexists(exact):
                fitting = self._by_composed_name(place).get(composed(part), [])
                if len(fitting) > 1:
                    raise InputError(
                        f"{exact}: {len(fitting)} files have that name in different Unicode forms"
                    )
                if not fitting:
                    return None
                exact = place / fitting[0]
            place = exact
        return place if place.is_file() else None

    def _by_composed_name(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._composed:
            names: dict[str, list[str]] = {}
            for name in self.listing(folder):
                names.setdefault(composed(name), []).append(name)
            self._composed[folder] = names
        return self._composed[folder]

    def similar(self, folder: Path, name: Path) -> str:
        """A hint for a message: files below the folder with that stem in another place, case or suffix; or nothing."""
        if folder not in self._stems:
            stems: dict[str, list[Path]] = {}
            for place, _, names in os.walk(folder):
                for other in sorted(names):
                    if Path(other).suffix.lower() in IMAGE_SUFFIXES:
                        stems.setdefault(_stem(other), []).append(Path(place, other))
            self._stems[folder] = stems
        found = self._stems[folder].get(_stem(name.name), [])
        if not found:
            return ""
        return f" (there {'is' if len(found) == 1 else 'are'} {' and '.join(map(str, found[:2]))})"

    def others_beside(self, used: set[Path]) -> list[str]:
        """Images in the folders of the images that were used which were not used themselves."""
        taken = {(os.path.realpath(file.parent), file.name) for file in used}
        places = {os.path.realpath(file.parent): file.parent for file in sorted(used, reverse=True)}
        return [
            str(place / name)
            for real, place in sorted(places.items())
            for name in self.listing(place)
            if Path(name).suffix.lower() in IMAGE_SUFFIXES
            and not name.startswith(".")
            and (real, name) not in taken
        ]

    def listing(self, folder: Path) -> list[str]:
        """Sorted names in a folder; empty when it cannot be read."""
        if folder not in self._listings:
            try:
                self._listings[folder] = sorted(os.listdir(folder))
            except OSError:
                self._listings[folder] = []
        return self._listings[folder]


def folders_near(place: Path, most: int = 500) -> list[Path]:
    """Folders below a place, and below the one that it is in, nearest first.

    Args:
        place: The place.
        most: How many are looked at; hidden ones are left out.
    """
    found: list[Path] = []
    above = place.absolute().parent
    waiting = [place] if above == Path(above.anchor) else [place, above]
    while waiting and len(found) < most:
        folder = waiting.pop(0)
        if folder in found:
            continue
        found.append(folder)
        try:
            with os.scandir(folder) as entries:
                inner = sorted(entry.name for entry in entries if is_folder(entry) and entry.name[:1] != ".")
        except OSError:
            continue
        waiting += [folder / name for name in inner]
    return found


def files_below(folder: Path, suffix: str) -> list[Path]:
    """Files of a suffix (any case) in a folder and its sub-folders, sorted; hidden ones are left out.

    Links to files and folders are followed and keep their names; a link back to a folder above is not entered again.

    Raises:
        InputError: When a folder cannot be listed.
    """

    def walk(place: Path, above: frozenset[tuple[int, int]]) -> list[Path]:
        try:
            status = place.stat()
            names = sorted(os.listdir(place))
        except OSError as error:
            raise InputError(f"{place}: cannot be read ({error.strerror or error})") from None
        here = status.st_dev, status.st_ino
        if here in above:
            return []
        found: list[Path] = []
        for path in (place / name for name in names if not name.startswith(".")):
            if path.is_dir():
                found += walk(path, above | {here})
            elif path.suffix.lower() == suffix:
                found.append(path)
        return found

    return sorted(walk(folder, frozenset()))
