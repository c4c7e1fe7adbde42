"""Train a model on a folder of images and masks.

python examples/train_on_my_folder.py my_folder     a folder with images/ and masks/ in it, files of the same names
python examples/train_on_my_folder.py               writes such a folder first, of embedded street scenes
"""

import sys
from dataclasses import replace
from pathlib import Path

from PIL import Image

from vit_adapter import UPerNetConfig, ViTConfig, train
from vit_adapter.api import check_data
from vit_adapter.config import AugmentationConfig, RunConfig
from vit_adapter.data.scenes import SCENE_CLASSES, render_scene
from vit_adapter.zoo import get_recipe


def write_example_folder(folder: Path) -> None:
    """Forty street scenes as JPEG, their masks as PNG of the values 0 to 6, and what these values are called."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for index in range(40):
        scene = render_scene(index, size=(96, 96))
        Image.fromarray(scene.image).save(folder / "images" / f"{index:02}.jpg", quality=95)
        Image.fromarray(scene.labels).save(folder / "masks" / f"{index:02}.png")
    (folder / "classes.txt").write_text("\n".join(entry.name for entry in SCENE_CLASSES) + "\n")


def settings(folder: Path) -> RunConfig:
    """Settings for your own images: a pretrained ViT, whose weights are downloaded once."""
    config = get_recipe("own_data").config()  # what the command `vit-adapter train` starts from
    return replace(
        config,
        data=replace(config.data, root=str(folder)),
        model=replace(config.model, vit=ViTConfig("vit_small_patch14_dinov2", pretrained=True)),
        training=replace(config.training, steps=2000, out="runs/my_folder"),
    )


def small_settings(folder: Path) -> RunConfig:
    """Settings for half a minute on a CPU: a small ViT from random weights, few steps on small crops."""
    config = settings(folder)
    vit = ViTConfig(
        "vit_tiny_patch16_224", pretrained=False, img_size=96, options={"depth": 4, "embed_dim": 96}
    )
    augmentation = AugmentationConfig(crop=96, scale_range=(0.8, 1.25), photometric=False)
    return replace(
        config,
        data=replace(config.data, augmentation=augmentation, workers=0),
        model=replace(config.model, vit=vit, head=UPerNetConfig(channels=48, auxiliary=False)),
        training=replace(config.training, steps=80, batch_size=8, learning_rate=6e-3, validation_sample=4),
    )


def main(words: list[str]) -> None:
    """Looks at the data, trains, and says what came out."""
    if words:
        config = settings(Path(words[0]))
    else:
        write_example_folder(Path("example_folder"))
        config = small_settings(Path("example_folder"))
    if not check_data(config.data, sheet="data_check.png"):  # look at this sheet before you train for hours
        sys.exit(f"{config.data.root}: cannot be used as it is, see above")
    run = train(config)
    if run is not None and run.best_score is not None:  # without validation images there is no score
        print(f"\nThe best model is in {run.model_folder}; {run.headline} {100 * run.best_score:.1f} %")


if __name__ == "__main__":
    main(sys.argv[1:])
