"""Draws the images of ``gallery.md`` into ``docs/images/gallery``.

Run from the repository's root:  vit-adapter demo --out runs/demo && python docs/make_gallery.py runs/demo
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from vit_adapter import SemanticResult, load
from vit_adapter.annotations import Instances, Segments
from vit_adapter.config import AugmentationConfig, DataConfig, Normalization
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.scenes import SCENE_CLASSES, Scene, render_scene
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.tasks import DetectionResult, InstanceResult, PanopticResult
from vit_adapter.visualization import LegendEntry, contact_sheet, overlay

TARGET = Path(__file__).parent / "images" / "gallery"
NAMES = tuple(entry.name for entry in SCENE_CLASSES)
PALETTE = np.array([entry.colour for entry in SCENE_CLASSES], np.uint8)
SIZE = (288, 432)
LARGEST_WIDTH = 1000


def truth_of(scene: Scene) -> tuple[Instances, Segments]:
    """The cars and people of a scene, and the scene cut into segments."""
    numbers = range(1, int(scene.instances.max()) + 1)
    masks = np.stack([scene.instances == number for number in numbers])
    classes = np.array([scene.labels[mask][0] for mask in masks])
    ids, segments = scene.panoptic()
    return (
        Instances.from_masks(classes, masks),
        Segments(ids, np.array([segment.class_index for segment in segments])),
    )


def scenes_and_labels() -> Image.Image:
    """Four scenes above their truth."""
    scenes = [render_scene(index, size=(192, 256), split="val") for index in (3, 8, 25, 41)]
    drawn = [overlay(scene.image, scene.labels, PALETTE, NAMES, alpha=0.75, legend=False) for scene in scenes]
    legend = [LegendEntry(name, tuple(colour)) for name, colour in zip(NAMES, PALETTE.tolist(), strict=True)]
    return contact_sheet([[scene.image for scene in scenes], drawn], cell=(256, 192), legend=legend)


def training_crops() -> Image.Image:
    """One scene as a run sees it in eight passes."""
    dataset = open_dataset(DataConfig(layout="scenes", scenes=(16, 1), scene_size=256), "train")
    plain = Normalization(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    seen = TrainingSet(dataset, AugmentationConfig(crop=192), plain, seed=1)
    crops = [seen[epoch, 9]["image"].permute(1, 2, 0).numpy() for epoch in range(8)]
    cells: list[np.ndarray] = [crop.round().clip(0, 255).astype(np.uint8) for crop in crops]
    return contact_sheet([cells[:4], cells[4:]], cell=(192, 192))


def predictions(run: Path) -> Image.Image:
    """Scenes that a run has not seen, what its model says, and where it is wrong."""
    model = load(run)
    rows = []
    for index in (12, 31, 57):
        scene = render_scene(index, split="val")
        result = model.predict(scene.image)
        assert isinstance(result, SemanticResult)
        wrong = (result.labels != scene.labels).astype(np.uint8)
        mistakes = overlay(
            scene.image,
            wrong,
            np.array([[128, 128, 128], [230, 30, 60]], np.uint8),
            ("right", "wrong"),
            legend=False,
        )
        rows.append(
            [scene.image, np.asarray(result.overlay(0.8, legend=False)), mistakes, _certainty(result.scores)]
        )
    titles = ["image", "prediction", "mistakes", "certainty: white is sure"]
    return contact_sheet(rows, column_titles=titles, cell=(224, 224))


def _certainty(scores: np.ndarray) -> np.ndarray:
    """The largest probability of every pixel as a grey, of probabilities [K, H, W]."""
    return np.repeat((255 * scores.max(axis=0)).astype(np.uint8)[..., None], 3, axis=2)


def graph(file: Path) -> Image.Image:
    """A graph that a run drew, smaller."""
    image = Image.open(file).convert("RGB")
    image.thumbnail((640, 640), Image.Resampling.LANCZOS)
    return image


def main(run: Path) -> None:
    """Draws all of them."""
    scene = render_scene(2, size=SIZE, split="val")
    objects, segments = truth_of(scene)
    shared = {"image": scene.image, "class_names": NAMES, "palette": PALETTE}
    images = {
        "scenes": scenes_and_labels(),
        "crops": training_crops(),
        "predictions": predictions(run),
        "semantic": SemanticResult(labels=scene.labels, **shared).overlay(0.6),
        "instances": InstanceResult(instances=objects, **shared).overlay(),
        "boxes": DetectionResult(instances=objects, **shared).overlay(),
        "panoptic": PanopticResult(
            segments=segments, is_thing=tuple(entry.is_thing for entry in SCENE_CLASSES), **shared
        ).overlay(0.6),
        "curves": graph(run / "curves.png"),
        "confusion": graph(run / "confusion.png"),
    }
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, image in images.items():
        image.thumbnail((LARGEST_WIDTH, LARGEST_WIDTH), Image.Resampling.LANCZOS)
        image.save(TARGET / f"{name}.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
