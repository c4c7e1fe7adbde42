"""The embedded street scenes as a data set: nothing on disk, the same images everywhere."""

from typing import Literal

from vit_adapter.annotations import Annotation
from vit_adapter.config import ClassTable, DataConfig, InputError

from ..sample import Sample
from .scene import SCENE_CLASSES, render_scene

KEPT_BYTES = 2**28
"""Memory for scenes once drawn, enough for 4000 of 128 pixels. Drawing one takes 7 to 10 ms."""


class SceneDataset:
    """Scenes number 0 to n - 1 of a split, drawn when they are first read and kept while there is room.

    Attributes:
        classes: The seven classes of the scenes.
        names: "train_00000", "train_00001" ...
        config: The settings: ``scenes`` and ``scene_size`` count.
    """

    def __init__(self, config: DataConfig, split: str) -> None:
        if split not in ("train", "val"):
            raise InputError(f'split {split!r}: the embedded scenes have "train" and "val"')
        count = config.scenes[0 if split == "train" else 1]
        if count < 1:
            raise InputError(f"--data.scenes: {list(config.scenes)}, expected two numbers of 1 or more")
        self.config = config
        self.split: Literal["train", "val"] = split  # pyright: ignore[reportAttributeAccessIssue]
        self.names = [f"{split}_{index:05d}" for index in range(count)]
        self.classes = ClassTable(
            names=tuple(kind.name for kind in SCENE_CLASSES),
            ids=tuple(range(len(SCENE_CLASSES))),
            colours=tuple(kind.colour for kind in SCENE_CLASSES),
            is_thing=tuple(kind.is_thing for kind in SCENE_CLASSES),
        )
        self._drawn: dict[int, Sample] = {}

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self.names)

    def read(self, index: int) -> Sample:
        """Draws a scene: image uint8 [S, S, 3], labels uint8 [S, S] with S = ``config.scene_size``."""
        if not 0 <= index < len(self.names):
            raise IndexError(index)
        if index in self._drawn:
            return self._drawn[index]
        size = self.config.scene_size
        scene = render_scene(index, (size, size), self.split)
        sample = Sample(scene.image, Annotation(scene.labels), self.names[index])
        for array in (sample.image, sample.labels):
            array.setflags(write=False)  # a reader's change would come back in the next epoch
        if (len(self._drawn) + 1) * (sample.image.nbytes + sample.labels.nbytes) <= KEPT_BYTES:
            self._drawn[index] = sample
        return sample
