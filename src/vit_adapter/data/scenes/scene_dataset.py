"""The embedded street scenes as a data set: nothing on disk, the same pictures everywhere."""

from typing import Literal

from vit_adapter.config import ClassTable, DataConfig, InputError

from ..sample import Sample
from .scene import SCENE_CLASSES, render_scene


class SceneDataset:
    """Scenes number 0 to n - 1 of a split, drawn when they are read.

    Attributes:
        classes: The seven classes of the scenes.
        names: "train_00000", "train_00001" ...
        config: The settings: ``scenes`` and ``scene_size`` count.
    """

    def __init__(self, config: DataConfig, split: Literal["train", "val"]) -> None:
        count = config.scenes[0 if split == "train" else 1]
        if count < 1:
            raise InputError(f"--data.scenes: {list(config.scenes)}, expected two numbers of 1 or more")
        self.config = config
        self.split: Literal["train", "val"] = split
        self.names = [f"{split}_{index:05d}" for index in range(count)]
        self.classes = ClassTable(
            names=tuple(kind.name for kind in SCENE_CLASSES),
            ids=tuple(range(len(SCENE_CLASSES))),
            colours=tuple(kind.colour for kind in SCENE_CLASSES),
        )

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self.names)

    def read(self, index: int) -> Sample:
        """Draws a scene: image uint8 [S, S, 3], labels uint8 [S, S] with S = ``config.scene_size``."""
        if not 0 <= index < len(self.names):
            raise IndexError(index)
        size = self.config.scene_size
        scene = render_scene(index, (size, size), self.split)
        return Sample(scene.image, scene.labels, self.names[index])
