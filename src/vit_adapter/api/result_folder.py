"""The folder that ``predict`` writes into: what exists already, and what may be written."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.config.files import FULL
from vit_adapter.config.output_place import longest_name
from vit_adapter.config.own_files import read_mark
from vit_adapter.images import read_mask
from vit_adapter.tasks.semantic_files import write_semantic
from vit_adapter.tasks.semantic_result import SemanticResult

from .result_form import ResultForm

if TYPE_CHECKING:
    from vit_adapter.segmenter.prediction import Prediction

State = Literal["missing", "there", "foreign"]
ImageKind = Literal["image", "georeferenced", "large"]
"""What the files of a result depend on: whether the image says where on Earth it lies, and whether it is never held."""


class ResultFolder:
    """Results below one folder.

    Args:
        folder: The folder; made with the first result.
        form: Which files a result has.
        made_by: What stands for the model and the settings that decide about labels, see ``Predictor.fingerprint``.
    """

    def __init__(self, folder: Path, form: ResultForm, made_by: str) -> None:
        self.folder, self.form, self.made_by = folder, form, made_by
        self._longest = longest_name(folder)

    def files(self, name: str, kind: ImageKind = "image") -> dict[str, Path]:
        """The files of a result by what they are, see ``ResultForm.names``."""
        form = self.form
        names = form.raster_names(name) if kind == "large" else form.names(name, kind == "georeferenced")
        return {kind: self.folder / file for kind, file in names.items()}

    def state(self, name: str, digest: str, kind: ImageKind = "image") -> State:
        """What is there of an image's result.

        Args:
            name: Of the result.
            digest: Of the image file.
            kind: Of the image.

        Returns:
            "there": all of its files, made of this image by this model with these settings; "foreign": a label map
            that this tool did not write, or that was edited with another program; "missing": anything else.
        """
        files = self.files(name, kind)
        first = next(iter(files.values()))
        labels = read_mark(first)
        if labels is None:
            return "foreign" if first.exists() else "missing"
        facts = self.facts(digest)
        if any(labels.get(key) != value for key, value in facts.items() if key != "scores"):
            return "missing"
        if self.form.scores and not (labels.get("scores") and files["scores"].is_file()):
            return "missing"
        if "table" in files and not files["table"].is_file():
            return "missing"
        for what, file in files.items():
            if what in ("scores", "table") or file == first:
                continue
            expected = facts | self._own_facts(what)
            mark = read_mark(file)
            if mark is None or any(mark.get(key) != expected[key] for key in expected if key != "scores"):
                return "missing"
        return "there"

    def problem(self, name: str, kind: ImageKind = "image") -> str | None:
        """Why a result cannot be written under its name; None: it can."""
        files = self.files(name, kind)
        for file in files.values():
            parts = [file.name, *file.relative_to(self.folder).parent.parts]
            size = max(len(os.fsencode(part)) for part in parts)
            if size > self._longest:
                return f"{file}: a name of {size} bytes, more than the {self._longest} that the file system takes"
            if file.is_dir():
                return f"{file}: cannot be written: a folder of that name exists"
        own = read_mark(next(iter(files.values())))
        for what, file in files.items():
            if not file.exists():
                continue
            if what == "table":
                foreign = own is None
            elif what == "scores":
                foreign = own is None or not own.get("scores")
            else:
                foreign = read_mark(file) is None
            if foreign:
                return f"{file}: exists already and is not a result of vit-adapter; choose another folder (--out)"
        return None

    def write(self, result: "Prediction", name: str, digest: str) -> dict[str, Path]:
        """Writes all files of a result, or none.

        Args:
            result: What is written.
            name: Of the result.
            digest: Of the image file.

        Returns:
            The files by what they are, see ``files``.

        Raises:
            InputError: They cannot be made or written.
        """
        form, facts = self.form, self.facts(digest)
        if isinstance(result, SemanticResult):
            write_semantic(result, self.folder, name, form, facts)
        else:
            if form.ids == "contiguous":
                result = replace(result, ids=None)
            result.save(
                self.folder,
                name,
                form.alpha,
                overlay=form.overlay,
                legend=form.legend,
                polygons=form.polygons,
                facts=facts,
            )
        return self.files(name, "image" if result.georeference is None else "georeferenced")

    def read_labels(self, name: str) -> np.ndarray:
        """Values of a label map that is there, [H, W].

        Raises:
            InputError: It cannot be read.
        """
        values = read_mask(self.files(name)["labels"]).values
        if values.ndim != 2:
            raise InputError(f"{self.files(name)['labels']}: colours, expected the values of a label map")
        return values

    def facts(self, digest: str) -> dict[str, Any]:
        """What the mark of every file of a result says."""
        # By content, not by name and date: names may mean another image by now, and copies have other dates.
        return {"image": digest, "made_by": self.made_by, "scores": self.form.scores}

    def _own_facts(self, kind: str) -> dict[str, Any]:
        """What the mark of a file says besides."""
        own = {
            "overlay": {"alpha": self.form.alpha, "legend": self.form.legend},
            "probabilities": {"bits": self.form.probabilities},
        }
        return own.get(kind, {})


def ends_the_batch(error: InputError) -> bool:
    """Whether the next result could not be written either: the disk is full, not one file bad."""
    return str(error).endswith(FULL)
