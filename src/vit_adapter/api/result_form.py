"""Which files a result has."""

from dataclasses import dataclass, replace
from typing import Literal

from vit_adapter.config import ClassTable, InputError, TaskName
from vit_adapter.config.values import check_argument
from vit_adapter.tasks.detection_result import detection_files
from vit_adapter.tasks.instance_result import instance_files
from vit_adapter.tasks.panoptic_result import panoptic_files
from vit_adapter.tasks.semantic_result import PaletteForm, check_palette, result_files

from .applied_predictor import refuse_pixel_options

Ids = Literal["own", "contiguous"]


@dataclass(frozen=True)
class ResultForm:
    """Which files a result has, see ``save`` of the results of each task."""

    ids: Ids = "own"
    scores: bool = False
    overlay: bool = True
    alpha: float = 0.5
    legend: bool = True
    palette: PaletteForm | None = None
    task: TaskName = "semantic"

    def check(self) -> None:
        """Refuses what is no form, whatever the model.

        Raises:
            InputError: An option cannot be used.
        """
        check_argument("--alpha", self.alpha, float, at_least=0, at_most=1)
        if self.ids not in ("own", "contiguous"):
            raise InputError(f"--ids {self.ids}: expected own or contiguous")
        if self.palette not in (None, "beside", "instead"):
            raise InputError(f"--palette {self.palette}: expected beside or instead")

    def for_task(self, task: TaskName, classes: ClassTable) -> "ResultForm":
        """The form of the results of a task.

        Args:
            task: What the model is asked for.
            classes: Its classes.

        Raises:
            InputError: The results of the task cannot have it.
        """
        if task != "semantic":
            refuse_pixel_options(task, scores=self.scores, palette=self.palette)
        elif self.palette is not None:
            check_palette(classes.ids, classes.ignore_id, self.ids)
        return replace(self, task=task)

    @property
    def wants_scores(self) -> bool:
        """Whether a file needs probabilities."""
        return self.scores

    def names(self, stem: str) -> dict[str, str]:
        """Names of the files by what they are; first one with a mark: the label map, numbers of objects or segments,
        or the table of boxes."""
        if self.task == "instance":
            return instance_files(stem, self.overlay)
        if self.task == "detection":
            return detection_files(stem, self.overlay)
        if self.task == "panoptic":
            return panoptic_files(stem, self.overlay)
        return result_files(stem, self.overlay, self.palette, self.scores)

    def kinds(self) -> str:
        """The files in words."""
        first = {"instance": "objects", "panoptic": "segments", "detection": "boxes"}
        words = [first.get(self.task, "label maps")]
        words += ["overlays"] if self.overlay else []
        words += ["palette images"] if self.palette == "beside" else []
        words += ["scores"] if self.scores else []
        return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
