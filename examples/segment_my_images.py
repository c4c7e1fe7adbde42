"""Segment images with a trained model.

python examples/segment_my_images.py runs/my_folder a.jpg b.jpg     a model that you trained, and images
python examples/segment_my_images.py                                the model of train_on_my_folder.py, on new scenes

A published model is named by its recipe: load("upernet_deit_adapter_small_512_160k_ade20k", checkpoint="published").
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from vit_adapter import SemanticResult, load
from vit_adapter.data.scenes import render_scene


def example_images(folder: Path) -> list[Path]:
    """Three street scenes that no model was trained on."""
    folder.mkdir(exist_ok=True)
    files = [folder / f"street_{index}.png" for index in range(3)]
    for index, file in enumerate(files):
        Image.fromarray(render_scene(index, size=(96, 160), split="val").image).save(file)
    return files


def main(words: list[str]) -> None:
    """Writes two images beside each other for every one, and prints what is in it."""
    model = load(words[0] if words else "runs/my_folder")
    images = [Path(word) for word in words[1:]] or example_images(Path("photos"))
    out = Path("segmented")
    for image in images:
        result = model.predict(image)
        assert isinstance(
            result, SemanticResult
        )  # models that find objects have other results: count_objects.py
        result.save(out, image.stem)  # NAME_labels.png, one value per class, and NAME_overlay.png

        shares = np.bincount(result.labels.ravel(), minlength=len(result.class_names)) / result.labels.size
        largest = np.argsort(-shares)[:3]
        print(
            f"{image}:",
            ", ".join(f"{result.class_names[label]} {100 * shares[label]:.0f} %" for label in largest),
        )
    print(f"Open {out / images[0].stem}_overlay.png")


if __name__ == "__main__":
    main(sys.argv[1:])
