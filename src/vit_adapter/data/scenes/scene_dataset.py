"""The embedded street scenes as a data set: nothing on disk, the same images everywhere."""

from typing import Literal

import numpy as np

from vit_adapter.annotations import Annotation, Instances, run_lengths_of_ids
from vit_adapter.config import ClassTable, DataConfig, InputError, TaskName

from ..sample import Sample
from .scene import SCENE_CLASSES, Scene, render_scene

KEPT_BYTES = 2**28
"""Memory for scenes once drawn, enough for 4000 of 128 pixels. Drawing one takes 7 to 10 ms."""


WITH_STUFF: tuple[TaskName, ...] = ("semantic", "panoptic")
"""Tasks whose classes are not only things."""


class SceneDataset:
    """Scenes number 0 to n - 1 of a split, drawn when they are first read and kept while there is room.

    Attributes:
        classes: The seven classes of the scenes; for the tasks "instance" and "detection" only those that are
            things.
        names: "train_00000", "train_00001" ...
        config: The settings: ``scenes`` and ``scene_size`` count.
    """

    tasks: tuple[TaskName, ...] = ("panoptic", "instance", "detection", "semantic")

    def __init__(self, config: DataConfig, split: str, task: TaskName = "semantic") -> None:
        if split not in ("train", "val"):
            raise InputError(f'split {split!r}: the embedded scenes have "train" and "val"')
        count = config.scenes[0 if split == "train" else 1]
        if count < 1:
            raise InputError(f"--data.scenes: {list(config.scenes)}, expected two numbers of 1 or more")
        self.config = config
        self.split: Literal["train", "val"] = split  # pyright: ignore[reportAttributeAccessIssue]
        self.names = [f"{split}_{index:05d}" for index in range(count)]
        self.task: TaskName = task
        shown = [
            (index, kind) for index, kind in enumerate(SCENE_CLASSES) if task in WITH_STUFF or kind.is_thing
        ]
        self.classes = ClassTable(
            names=tuple(kind.name for _, kind in shown),
            ids=tuple(index for index, _ in shown),
            colours=tuple(kind.colour for _, kind in shown),
            is_thing=tuple(kind.is_thing for _, kind in shown),
        )
        self._labels = np.full(len(SCENE_CLASSES), self.classes.ignore_index, np.uint8)
        self._labels[list(self.classes.ids)] = range(len(shown))
        self._drawn: dict[int, Sample] = {}

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self.names)

    def read(self, index: int) -> Sample:
        """Draws a scene: image uint8 [S, S, 3], labels uint8 [S, S] with S = ``config.scene_size``, and its cars and
        people where the task needs objects."""
        if not 0 <= index < len(self.names):
            raise IndexError(index)
        if index in self._drawn:
            return self._drawn[index]
        size = self.config.scene_size
        scene = render_scene(index, (size, size), self.split)
        labels = scene.labels if len(self.classes) == len(SCENE_CLASSES) else self._labels[scene.labels]
        instances = None if self.task == "semantic" else self._instances(scene)
        sample = Sample(scene.image, Annotation(labels, instances), self.names[index])
        for array in (sample.image, sample.labels):
            array.setflags(write=False)  # a reader's change would come back in the next epoch
        if (len(self._drawn) + 1) * (sample.image.nbytes + sample.labels.nbytes) <= KEPT_BYTES:
            self._drawn[index] = sample
        return sample

    def _instances(self, scene: Scene) -> Instances:
        masks = run_lengths_of_ids(scene.instances)
        masks.pop(0, None)
        numbers, first = np.unique(scene.instances, return_index=True)
        classes = self._labels[scene.labels.reshape(-1)[first[numbers > 0]]]
        return Instances.from_masks(classes, list(masks.values()))
