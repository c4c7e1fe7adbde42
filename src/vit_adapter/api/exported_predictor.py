"""An exported file as ``predict`` applies it, without torch."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vit_adapter.config import ClassTable, InferenceConfig, InputError, TaskName
from vit_adapter.config.progress_bar import ProgressBar
from vit_adapter.export.exported_model import ExportedModel, check_labels_suffice
from vit_adapter.inference.cost import count_windows
from vit_adapter.tasks.detection_result import DetectionResult
from vit_adapter.tasks.instance_result import InstanceResult
from vit_adapter.tasks.joined_segments import known_things
from vit_adapter.tasks.panoptic_result import PanopticResult
from vit_adapter.tasks.semantic_result import SemanticResult
from vit_adapter.zoo import DetectionRecipe, Recipe

from .mirroring import print_notes
from .predictor import PredictionSettings

ExportedResult = SemanticResult | InstanceResult | PanopticResult | DetectionResult


class ExportedPredictor:
    """See ``Predictor``.

    Args:
        file: A file that ``export`` wrote.
        checkpoint: Refused: the weights are in the file.
        device: "auto", or "cpu" for the processor alone.

    Raises:
        InputError: The file cannot be used, or an argument does not apply to it.
    """

    recipe: Recipe | DetectionRecipe | None = None

    def __init__(self, file: Path, checkpoint: str | Path | None, device: str) -> None:
        if checkpoint is not None:
            raise InputError(f"{file} holds weights of its own; leave out checkpoint={checkpoint}")
        if device not in ("auto", "cpu"):
            raise InputError(
                f"--device {device}: an exported file takes auto (what its runtime offers) or cpu"
            )
        self.model = ExportedModel(file, processor_only=device == "cpu")
        self._told = False

    @property
    def classes(self) -> ClassTable:
        """The classes."""
        return self.model.classes

    @property
    def protocol(self) -> InferenceConfig:
        """How the model is applied to an image."""
        return self.model.protocol

    def channels(self, protocol: InferenceConfig) -> int:
        """Channels of its images; errors as in ``Predictor``."""
        channels = self.model.description.channels
        if len(protocol.normalization.mean) != channels:
            raise InputError(
                f"protocol.normalization.mean has {len(protocol.normalization.mean)} numbers, but the model takes "
                f"images of {channels} channels"
            )
        return channels

    def asked(self, task: TaskName | None) -> TaskName:
        """See ``Predictor``; without a task that of the model, where the file's output is enough for it.

        Raises:
            InputError: Something else is wanted.
        """
        tasks, gives = self.model.tasks, self.model.description.output
        if task is not None and task not in tasks:
            what = {"scores": "labels"}.get(gives, gives)
            only = f"this file gives {what} ({', '.join(tasks)}) only"
            if task == "panoptic" and gives == "queries":
                only += "; its classes do not say which are things"
            raise InputError(f"{self.model.file}: --task {task}: {only}")
        return task or tasks[0]

    def fingerprint(self, settings: dict[str, Any]) -> str:
        """See ``Predictor``."""
        return hashlib.sha256(f"{self.model.digest()} {sorted(settings.items())!r}".encode()).hexdigest()[:32]

    def optimized(self, fast: bool, dtype: object, quiet: bool) -> "ExportedPredictor":
        """Refused, see ``Predictor``.

        Raises:
            InputError: Always.
        """
        raise InputError(
            f"{self.model.file}: --fast and --dtype are for model folders; its runtime optimizes by itself"
        )

    def check(self, how: PredictionSettings, scores: str | None) -> None:
        """See ``Predictor``.

        Raises:
            InputError: Another precision than the file's, probabilities, or what needs scores of a file that gives
                labels.
        """
        file = self.model.file
        if how.precision != "float32":
            raise InputError(
                f"{file}: --precision {how.precision}: an exported file computes in the precision it was exported in"
            )
        if scores is not None:
            raise InputError(
                f"{file}: {scores}: an exported file gives labels, a model folder probabilities too"
            )
        if self.model.description.output == "labels":
            check_labels_suffice(file, how.protocol, how.threshold)

    def segment(self, image: np.ndarray, how: PredictionSettings, bar: ProgressBar) -> ExportedResult:
        """Segments an image, or finds its objects, see ``Predictor``.

        Raises:
            InputError: See ``ExportedModel``.
        """
        if not self._told and self.model.pads(image.shape[:2], how.protocol):
            self._told = True
            described = self.model.description
            height, width = described.size or (described.least_side, described.least_side)
            hint = "; a file exported with --dynamic sees them as the model does" if described.size else ""
            print_notes(
                [
                    f"images (or scales of them) smaller than the {width}x{height} pixels that the file takes are "
                    f"padded{hint}"
                ]
            )
        total, done = count_windows((image.shape[0], image.shape[1]), how.protocol), 0

        def counted(windows: int) -> None:
            nonlocal done
            done += windows
            bar.part("windows", done, total)

        classes = self.classes
        shown: dict[str, Any] = {
            "class_names": classes.names,
            "image": image,
            "palette": None if classes.colours is None else np.array(classes.colours, np.uint8),
            "ids": classes.ids,
        }
        asked: Any = {"batch_size": how.batch_size, "protocol": how.protocol, "counted": counted}
        if how.task == "detection":
            return DetectionResult(instances=self.model.boxes(image, **asked), **shown)
        if how.task == "instance":
            return InstanceResult(instances=self.model.instances(image, **asked), **shown)
        if how.task == "panoptic":
            things = tuple(known_things(classes).tolist())
            return PanopticResult(segments=self.model.segments(image, **asked), is_thing=things, **shown)
        labels = self.model.labels(image, threshold=how.threshold, **asked)
        return SemanticResult(labels=labels, ignore_id=classes.ignore_id, **shown)

    def segment_together(self, images: Sequence[np.ndarray], how: PredictionSettings) -> list[ExportedResult]:
        """Segments several images one after the other, see ``Predictor``; windows of one image share calls."""
        return [self.segment(image, how, ProgressBar("images", None, shown=False)) for image in images]
