"""Count objects: how many there are in each image, as a table, and images to check it by.

python examples/count_objects.py model a.png b.png      a model that finds objects, and images
python examples/count_objects.py                        first trains one on drawn cells, in less than a minute on a CPU

Such a model is trained by `vit-adapter train --data.root my_folder --model.head mask_rcnn` (or mask2former) on a folder
that holds the objects one by one: COCO JSON, or images/ and instances/ with an objects.csv as below.
"""

import csv
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from vit_adapter import ViTConfig, load, train
from vit_adapter.config import AugmentationConfig, MaskRCNNConfig, RunConfig
from vit_adapter.tasks import InstanceResult
from vit_adapter.zoo import get_recipe

SIDE = 64


def draw_cells(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An image [64, 64, 3] of up to seven cells on noise, and the number of the cell at every pixel, 0: none."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    light = random.normal(60, 12, (SIDE, SIDE))
    numbers = np.zeros((SIDE, SIDE), np.uint8)
    for number in range(1, random.integers(3, 9)):
        radius = random.uniform(4, 7)
        row, column = random.uniform(radius, SIDE - radius, 2)
        distance = np.hypot(rows - row, columns - column) / radius
        if (numbers[distance < 1.2] > 0).any():
            continue  # cells touch at most
        light += np.where(distance < 1, random.uniform(60, 130) * (1.2 - distance), 0)
        numbers[distance < 1] = number
    return np.repeat(light.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2), numbers


def write_example_folder(folder: Path, count: int) -> None:
    """Images, the numbers of their cells, and a table that says what every number is."""
    for name in ("images", "instances"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    random, rows = np.random.default_rng(0), []
    for index in range(count):
        image, numbers = draw_cells(random)
        Image.fromarray(image).save(folder / "images" / f"{index:03}.png")
        Image.fromarray(numbers).save(folder / "instances" / f"{index:03}.png")
        rows += [(f"{index:03}.png", number, "cell") for number in np.unique(numbers[numbers > 0]).tolist()]
    with (folder / "objects.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "id", "class"), *rows])


def train_on_cells(folder: Path, out: str) -> Path:
    """A small Mask R-CNN from random weights; gives its folder."""
    config: RunConfig = get_recipe("own_data").config()
    vit = ViTConfig(
        "vit_tiny_patch16_224", pretrained=False, img_size=SIDE, options={"depth": 4, "embed_dim": 96}
    )
    head = MaskRCNNConfig(
        channels=48, box_width=128, anchor_scale=2, training_proposals=50, proposals=50, region_samples=32
    )
    augmentation = AugmentationConfig(crop=SIDE, scale_range=(1, 1), photometric=False)
    run = train(
        replace(
            config,
            task="instance",
            data=replace(config.data, root=str(folder), augmentation=augmentation, workers=0),
            model=replace(config.model, vit=vit, head=head),
            training=replace(
                config.training, steps=80, batch_size=8, learning_rate=4e-3, validation_sample=8, out=out
            ),
        )
    )
    assert run is not None
    return run.model_folder


def main(words: list[str]) -> None:
    """Counts, prints, and writes ``counts.csv`` and an overlay of every image."""
    if words:
        model, images = load(words[0]), [Path(word) for word in words[1:]]
    else:
        write_example_folder(Path("cells"), count=100)
        model = load(train_on_cells(Path("cells"), "runs/cells"))
        images = sorted(Path("cells/images").iterdir())[:6]
    rows = []
    for image in images:
        result = model.predict(
            image, score_threshold=0.5
        )  # objects that the model is less sure of are not counted
        assert isinstance(result, InstanceResult)
        result.save(
            "counted", image.stem
        )  # look at NAME_overlay.png: every object that was counted is outlined
        counts = Counter(result.class_names[label] for label in result.instances.classes.tolist())
        rows.append((str(image), *(counts[name] for name in result.class_names)))
        print(f"{image}:", ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing")
    with open("counts.csv", "w", newline="") as file:
        csv.writer(file).writerows([("image", *model.class_names), *rows])
    print("Written: counts.csv, counted/")


if __name__ == "__main__":
    main(sys.argv[1:])
