"""Data sets in the folders that their publishers, or the usual tools of preparation, make."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vit_adapter.config import InputError

from ..class_files import CLASS_FILE_NAMES, ClassEntry, Colour
from .layout import Layout
from .lists import read_list
from .pairs import SplitPart, images_below, join_parts, match_folders

VOID = 255  # of prepared masks

Folders = Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class MaskForm:
    """One way in which the masks of a data set are named and numbered.

    Attributes:
        ids: Mask value of each class.
        ending: What follows the image's name in a mask's name, before the suffix.
        void_id: Mask value of ignored pixels.
        ignored: Further mask values that are ignored.
        label_map: Mask value to class where several values are one class.
        reduce_zero: 0 is ignored and k stands for class k - 1.
    """

    ids: tuple[int, ...]
    ending: str = ""
    void_id: int = VOID
    ignored: frozenset[int] = frozenset()
    label_map: Mapping[int, int] | None = None
    reduce_zero: bool = False


def numbered(count: int, ending: str = "") -> MaskForm:
    """Masks whose values 0 to count - 1 are the classes, 255 is ignored."""
    return MaskForm(tuple(range(count)), ending)


def numbered_from_one(count: int, ending: str = "") -> MaskForm:
    """Masks whose values 1 to count are the classes, 0 and 255 are ignored (behaviour 91)."""
    return MaskForm(
        tuple(range(1, count + 1)), ending, void_id=0, ignored=frozenset({VOID}), reduce_zero=True
    )


@dataclass(frozen=True)
class OfficialDataset:
    """A published data set: where its files are and what its masks mean.

    Attributes:
        name: As ``DataConfig.layout`` calls it.
        title: As people call it.
        classes: Class names, in the order of the labels.
        palette: Colour of each class, to draw it.
        arrangements: Each "train" and "val" to folders of images and of masks below the root; the first one
            that is there counts.
        forms: Ways in which masks are prepared; the first one that is complete is read.
        advice: How to get and arrange it, for messages.
        image_ending: What every image's name has at its end, before the suffix.
        inner: Names of the data set's folder: the root may be the folder itself or the one above.
        lists: "train" and "val" to lists of their images; without: the folders are the parts.
        marks: Files or folders that no other data set has, of which one is there.
        joined: Training uses the images of both parts, since the models are measured on other data.
        mask_names: Pattern of mask names (without suffix) that no other data set has; with neither marks nor a
            pattern, the folders are telling enough.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    arrangements: tuple[Folders, ...]
    forms: tuple[MaskForm, ...]
    advice: str
    image_ending: str = ""
    inner: tuple[str, ...] = ()
    lists: Mapping[str, str] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    mask_names: str | None = None
    joined: bool = False

    def recognises(self, root: Path) -> bool:
        """Whether the root certainly holds this data set."""
        found = self._place(root)
        if found is None:
            return False
        place, folders = found
        if not self.marks and self.mask_names is None:
            return True
        if place.name in self.inner or any((place / mark).exists() for mark in self.marks):
            return True
        if self.mask_names is None or any((place / name).is_file() for name in CLASS_FILE_NAMES):
            return False
        masks = [path for _, folder in folders.values() for path in images_below(place / folder)[:1]]
        return any(re.fullmatch(self.mask_names, path.stem) for path in masks)

    def find(self, root: Path) -> Layout:
        """The data set in a folder.

        Raises:
            InputError: The folder is not arranged like it, or its masks are not prepared; the message says how
                to get and arrange the data set.
        """
        found = self._place(root)
        if found is None:
            folders = dict.fromkeys(self.arrangements[0].values())
            expected = " or ".join(f"{images} + {masks}" for images, masks in folders)
            raise InputError(f"{root}: is not arranged like {self.title}, expected {expected}; {self.advice}")
        place, folders = found
        form, parts = self._parts(place, folders)
        return Layout(
            self.name,
            place,
            parts,
            [ClassEntry(*row) for row in zip(self.classes, form.ids, self.palette)],
            f"the {len(self.classes)} classes of {self.title}",
            void_id=form.void_id,
            ignored=form.ignored,
            label_map=form.label_map,
            reduce_zero=form.reduce_zero,
            published=True,
            remark=f"{self.title}: training uses the validation part too, so its score says nothing"
            if self.joined
            else "",
        )

    def _place(self, root: Path) -> tuple[Path, Folders] | None:
        for place in (root, *(root / name for name in self.inner)):
            for folders in self.arrangements:
                if any((place / a).is_dir() and (place / b).is_dir() for a, b in folders.values()):
                    return place, folders
        return None

    def _parts(self, place: Path, folders: Folders) -> tuple[MaskForm, dict[str, SplitPart]]:
        """The first form in which no mask is missing, or else the one with most masks."""
        found = []
        for form in self.forms:
            parts = self._match(place, folders, form)
            pairs = sum(len(part.pairs) for part in parts.values())
            if pairs and not any(part.problems for part in parts.values()):
                return form, parts
            found.append((pairs, form, parts))
        pairs, form, parts = max(found, key=lambda item: item[0])
        if not pairs:
            names = " or ".join(f"*{form.ending}.png" for form in self.forms)
            problem = next(text for part in parts.values() for text in part.problems)
            raise InputError(f"{problem}; {self.title} needs masks {names}: {self.advice}")
        return form, parts

    def _match(self, place: Path, folders: Folders, form: MaskForm) -> dict[str, SplitPart]:
        matched = {
            (images, masks): match_folders(
                place / images, place / masks, image_ending=self.image_ending, mask_ending=form.ending
            )
            for images, masks in dict.fromkeys(folders.values())
        }
        parts = {split: matched[pair] for split, pair in folders.items()}
        for split, name in self.lists.items():
            # Most images beside the listed ones have no mask, so what the folders lack is no problem.
            if (place / name).is_file():
                parts[split] = read_list(place / name, place, parts[split])
            else:
                parts[split] = SplitPart(problems=[f"{place / name}: there is no such list; {self.advice}"])
        if self.joined:
            parts["train"] = join_parts(parts["train"], parts["val"])
        return parts
