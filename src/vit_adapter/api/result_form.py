"""Which files a result has."""

from dataclasses import dataclass, replace
from typing import Literal

from vit_adapter.config import ClassTable, InputError, TaskName
from vit_adapter.config.values import check_argument
from vit_adapter.tasks.detection_result import detection_files
from vit_adapter.tasks.instance_result import instance_files
from vit_adapter.tasks.panoptic_result import panoptic_files
from vit_adapter.tasks.polygon_files import check_polygon_form
from vit_adapter.tasks.semantic_files import SemanticFiles, check_palette

from .applied_predictor import refuse_pixel_options

Ids = Literal["own", "contiguous"]


@dataclass(frozen=True)
class ResultForm(SemanticFiles):
    """Which files a result of any task has, see ``save`` of the results."""

    task: TaskName = "semantic"

    def __post_init__(self) -> None:
        """Refuses what is no form, whatever the model; in the words of the command line."""
        check_argument("--alpha", self.alpha, float, at_least=0, at_most=1)
        if self.ids not in ("own", "contiguous"):
            raise InputError(f"--ids {self.ids}: expected own or contiguous")
        if self.palette not in (None, "beside", "instead"):
            raise InputError(f"--palette {self.palette}: expected beside or instead")
        if self.probabilities not in (None, 8, 16):
            raise InputError(f"--probabilities {self.probabilities}: expected 8 or 16 bits")
        check_polygon_form(self.polygons)
        if self.polygons is not None:
            import rasterio  # noqa: F401 (asked for before a model is loaded)

    def for_task(self, task: TaskName, classes: ClassTable) -> "ResultForm":
        """The form of the results of a task.

        Args:
            task: What the model is asked for.
            classes: Its classes.

        Raises:
            InputError: The results of the task cannot have it.
        """
        if task != "semantic":
            refuse_pixel_options(
                task,
                scores=self.scores,
                palette=self.palette,
                probabilities=self.probabilities,
                confidence=self.confidence,
            )
        elif self.palette is not None:
            check_palette(classes.ids, classes.ignore_id, self.ids)
        return replace(self, task=task)

    @property
    def score_option(self) -> str | None:
        """The option, if any, whose file needs probabilities."""
        options = {
            "--scores": self.scores,
            "--probabilities": self.probabilities is not None,
            "--confidence": self.confidence,
        }
        return next((name for name, wanted in options.items() if wanted), None)

    def names(self, stem: str, georeferenced: bool = False) -> dict[str, str]:
        """Names of the files by what they are; first one with a mark: the label map, numbers of objects or segments,
        or the table of boxes."""
        if self.task == "instance":
            return instance_files(stem, self.overlay, self.polygons)
        if self.task == "detection":
            return detection_files(stem, self.overlay, self.polygons)
        if self.task == "panoptic":
            return panoptic_files(stem, self.overlay, self.polygons)
        return super().names(stem, georeferenced)

    def raster_names(self, stem: str) -> dict[str, str]:
        """Names of the files of a large raster, whose labels are never held: its label map is the TIFF file."""
        names = SemanticFiles.names(replace(self, palette=None, scores=False), stem, georeferenced=True)
        return {kind: name for kind, name in names.items() if kind != "labels"}

    def kinds(self) -> str:
        """The files in words."""
        first = {"instance": "objects", "panoptic": "segments", "detection": "boxes"}
        words = [first.get(self.task, "label maps")]
        words += ["overlays"] if self.overlay else []
        words += ["palette images"] if self.palette == "beside" else []
        words += ["scores"] if self.scores else []
        words += ["probabilities"] if self.probabilities else []
        words += ["confidence"] if self.confidence else []
        words += ["polygons"] if self.polygons else []
        return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
