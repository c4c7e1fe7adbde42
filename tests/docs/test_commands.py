"""The commands of the README and the docs run, one page after the other, in a small world they could stand in."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from PIL import Image

from tiny import TINY, TINY_FLAGS, changed
from vit_adapter.api import build
from vit_adapter.cli.main import main
from vit_adapter.data.scenes import SCENE_CLASSES, render_scene
from vit_adapter.weights.official import to_official
from vit_adapter.zoo import Recipe, get_recipe
from vit_adapter.zoo.download import CACHE_VARIABLE, cache_folder
from vit_adapter.zoo.recipes import RECIPES

from .test_documents import PAGES, commands_of

TINY_RECIPE = "upernet_deit_adapter_tiny_512_160k_ade20k"
SMALL = [
    *TINY_FLAGS, "--data.augmentation.crop", "64", "--data.workers", "0",
    "--training.steps", "2", "--training.batch_size", "2",
    "--training.accelerator", "cpu", "--training.quiet", "true",
]  # fmt: skip
"""What is added to a command that trains: it is the command that is tried, not the machine."""
HANDS = ["left hand", "right hand", *(entry.name for entry in SCENE_CLASSES[2:])]
"""Names for the classes of the world's own folder."""


def narrow(recipe: Recipe) -> Recipe:
    """The same recipe for a model of a few channels on images an eighth as large."""
    model = changed(
        recipe.model,
        vit_options=TINY,
        head_channels=16,
        auxiliary_channels=16,
    )
    protocols = {
        name: replace(getattr(recipe, name), resize=(256, 64), crop=64, stride=43)
        for name in ("protocol", "multi_scale")
    }
    return replace(recipe, model=model, **protocols)


@pytest.fixture(scope="module", autouse=True)
def narrow_recipe():
    """In place of the published model while these tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, TINY_RECIPE, narrow(RECIPES[TINY_RECIPE]))
        yield


@pytest.fixture(scope="module")
def world(narrow_recipe, tmp_path_factory):
    """Everything that the pages speak of: a folder of one's own, photos, exports, ADE20K, a published file."""
    root = tmp_path_factory.mktemp("world")
    for number in range(10):
        scene = render_scene(number, size=(64, 64), split="train")
        for folder, image in (("images", scene.image), ("masks", scene.labels)):
            (root / "my_folder" / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / "my_folder" / folder / f"{number}.png")
    (root / "my_folder" / "classes.txt").write_text("\n".join(entry.name for entry in SCENE_CLASSES))
    (root / "photos").mkdir()
    for name in ("photo.jpg", "photos/a.jpg", "photos/b.jpg"):
        Image.fromarray(render_scene(20, size=(64, 96), split="val").image).save(root / name)
    _write_exports(root)
    _write_rasters_and_video(root)
    _write_ade20k(root / "ADEChallengeData2016")
    recipe = get_recipe(TINY_RECIPE)
    model = build(TINY_RECIPE)
    official = {
        "meta": {"CLASSES": list(recipe.classes().names)},
        "state_dict": to_official(model.state_dict()),
    }
    torch.save(official, root / "official.pth")
    shutil.copy(root / "official.pth", root / "file.pth.tar")
    return root


def _write_rasters_and_video(root: Path) -> None:
    bands = render_scene(20, size=(64, 96), split="val").image.transpose(2, 0, 1)
    place = {"crs": "EPSG:25832", "transform": Affine(0.5, 0, 300000, 0, -0.5, 5000000)}
    for name, values in {"field": bands, "satellite": bands[[0, 2, 1, 0]].astype(np.uint16) * 16}.items():
        settings = {**place, "count": len(values), "dtype": values.dtype, "height": 64, "width": 96}
        with rasterio.open(root / f"{name}.tif", "w", driver="GTiff", **settings) as raster:
            raster.write(values)
    with av.open(str(root / "in.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(5):
            image = np.ascontiguousarray(bands.transpose(1, 2, 0))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def _write_exports(root: Path) -> None:
    square = [4, 4, 40, 4, 40, 40, 4, 40]
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 96, "height": 64}],
        "categories": [{"id": 3, "name": "box"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "segmentation": [square], "iscrowd": 0, "area": 1296}
        ],
    }
    (root / "instances.json").write_text(json.dumps(coco))
    (root / "labelme_folder").mkdir()
    shutil.copy(root / "photo.jpg", root / "labelme_folder" / "photo.jpg")
    shape = {"label": "box", "shape_type": "polygon", "points": [[4, 4], [40, 4], [40, 40]]}
    labelme = {"imagePath": "photo.jpg", "imageWidth": 96, "imageHeight": 64, "shapes": [shape]}
    (root / "labelme_folder" / "photo.json").write_text(json.dumps(labelme))


def _write_ade20k(root: Path) -> None:
    for split in ("training", "validation"):
        for number in range(2):
            scene = render_scene(number, size=(64, 64), split="val")
            for folder, image, suffix in (
                ("images", scene.image, "jpg"),
                ("annotations", scene.labels + np.uint8(1), "png"),
            ):
                (root / folder / split).mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(root / folder / split / f"ADE_{number:08d}.{suffix}")


@pytest.fixture
def there(world, tmp_path, monkeypatch):
    """The world, entered: commands find what they name, and leave nothing for the next page."""
    for entry in world.iterdir():
        target = tmp_path / entry.name
        if entry.name == "my_folder":
            shutil.copytree(entry, target)
        else:
            target.symlink_to(entry, target_is_directory=entry.is_dir())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    url = get_recipe(TINY_RECIPE).checkpoint_url
    assert url is not None
    cache_folder().mkdir()
    (cache_folder() / url.rpartition("/")[2]).symlink_to(world / "official.pth")
    return tmp_path


def small(words: list[str]) -> list[str]:
    """The command, with less to do."""
    if words[0] == "train" and "--resume" not in words:
        dry = "--dry-run" in words
        if "--data.mirrored_classes" in words:  # the page speaks of hands
            words = [*words, "--data.classes", json.dumps(HANDS)]
        return (
            words
            + ([] if dry else SMALL)
            + (["--training.devices", "2"] if "--training.devices" in words else [])
        )
    if words[0] == "eval" and TINY_RECIPE in words:
        return [*words, "--limit", "1"]
    return words


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if commands_of(page)], ids=lambda page: page.name)
def test_commands_run(page, there):
    # Serve and app work until they are stopped: tests/serving tries them.
    run = [words for _, *words in commands_of(page) if words[0] not in ("serve", "app")]
    of_run = [words for words in run if "runs/mine" in words]
    if of_run and (
        of_run[0][0] != "train" or "--resume" in of_run[0]
    ):  # it goes on where the README's run stands
        _run(small(["train", "--data.root", "my_folder", "--out", "runs/mine"]))
    for words in run:
        if words[0] == "train" and "runs/mine" in words and "--resume" not in words:
            shutil.rmtree("runs/mine", ignore_errors=True)
        _run(small(words))


def _run(words: list[str]) -> None:
    if "--training.devices" in words:  # several processes begin with a program's own
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "vit_adapter.cli.main", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stderr}"
        return
    assert main(words) == 0, shlex.join(words)
