"""``~`` is the home folder in every path, also where no shell has looked at it."""

import json
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

from vit_adapter import InputError, Segmenter, api
from vit_adapter.config import DataConfig, TrainingConfig, ViTConfig
from vit_adapter.config.paths import takes_paths, user_path
from vit_adapter.data.class_files import read_class_file
from vit_adapter.data.dataset import open_dataset
from vit_adapter.images import list_images, read_image, read_mask

from .making import command, halves, refusal, save_pairs, varied_model

HEADING = "Settings: what is written, and what is read"
TITLES = {107: "The home folder's sign"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder with photos, their masks and a model; the working folder is elsewhere."""
    folder = tmp_path / "home"
    save_pairs(folder / "data", {name: halves(0, 1) for name in "abcd"})
    (folder / "data" / "names.txt").write_text("ground\nsky\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(tmp_path / "elsewhere")
    yield folder
    assert not list((tmp_path / "elsewhere").iterdir())  # no folder of the name "~"


@pytest.mark.parametrize(
    ("section", "name"),
    [
        (section, field.name)
        for section in (DataConfig, ViTConfig, TrainingConfig)
        for field in fields(section)
        if field.metadata.get("path")
    ],
)
def test_s107_settings(home, section, name):
    """Every setting that may hold a path takes `~`, from Python as from a flag or a file."""
    assert getattr(section(**{name: "~/x"}), name) == str(home / "x")
    assert getattr(section(**{name: "x~/~"}), name) == "x~/~"


def test_s107_which_settings_hold_paths():
    """No setting that may hold a path is left out."""
    marked = {
        f"{section.section}.{field.name}"
        for section in (DataConfig, ViTConfig, TrainingConfig)
        for field in fields(section)
        if field.metadata.get("path")
    }
    expected = {"data.root", "data.classes", "model.vit.pretrained", "training.out", "training.init"}
    assert marked == expected | {"training.class_weights"}
    assert DataConfig(classes=["~", "road"]).classes == ["~", "road"]  # names are no paths
    with pytest.raises(InputError, match="there is no home folder of '~nobody-of-this-name'"):
        DataConfig(root="~nobody-of-this-name/x")


def test_s107_commands(home, capfd):
    """`--data.root=~/photos`, which no shell expands, and every other path of every command."""
    varied_model(classes=2).save_pretrained("~/model")
    assert (home / "model" / "model.safetensors").is_file()
    code, out, err = command(
        capfd, "predict", "~/model", "~/data/images", "--out=~/results", "--quiet", "--device=cpu"
    )
    assert code == 0, err
    assert len(list((home / "results").glob("*_labels.png"))) == 4
    words = ["--data.root=~/data", "--data.classes=~/data/names.txt"]
    code, out, err = command(
        capfd, "eval", "~/model", *words, "--out=~/scores", "--quiet", "--evaluation.device=cpu"
    )
    assert code == 0, err
    assert (home / "scores" / "metrics.json").is_file()
    code, out, err = command(capfd, "data", "check", "~/data", "--sheet=~/sheet.png")
    assert code == 0, out
    assert (home / "sheet.png").is_file()
    (home / "settings.yaml").write_text("data: {root: ~/data, classes: ~/data/names.txt}\n")
    code, out, err = command(capfd, "data", "check", "--config=~/settings.yaml", "--sheet", "~/two.png")
    assert code == 0, out
    assert "ground" in out
    assert str(home / "nowhere") in refusal(capfd, "train", "--data.root=~/nowhere")


def test_s107_conversion(home, capfd):
    """The same for annotations that are converted, and their result."""
    image = {"id": 1, "file_name": "a.png", "width": 32, "height": 32}
    box = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[2, 2, 20, 2, 20, 20]]}
    content = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "sky"}]}
    (home / "coco.json").write_text(json.dumps(content))
    words = ["data", "convert", "~/coco.json", "--images=~/data/images", "--out=~/converted"]
    code, _, err = command(capfd, *words)
    assert code == 0, err
    assert list((home / "converted").rglob("a.png"))


def test_s107_python(home):
    """The same from Python: loading, saving, predicting, reading."""
    varied_model(classes=2).save_pretrained(home / "model")
    image = "~/data/images/a.png"
    expected = api.load(home / "model").predict(home / "data" / "images" / "a.png").labels
    for model in (api.load("~/model"), Segmenter.from_pretrained("~/model")):
        np.testing.assert_array_equal(model.predict(image).labels, expected)
        np.testing.assert_array_equal(model.predict([image])[0].labels, expected)
    assert read_image(image).shape == (32, 32, 3)
    assert read_mask("~/data/masks/a.png").values.shape == (32, 32)
    assert [path.name for path in list_images("~/data/images")] == ["a.png", "b.png", "c.png", "d.png"]
    assert [entry.name for entry in read_class_file("~/data/names.txt")] == ["ground", "sky"]
    assert len(open_dataset(DataConfig(root="~/data"), "train")) == 2
    assert api.predict("~/model", ["~/data/images"], "~/results", device="cpu", quiet=True) == []
    assert len(list((home / "results").glob("*_labels.png"))) == 4


def test_s107_what_is_no_path(home):
    """Arrays, images and texts that only hold the sign stay as they are."""
    image = Image.new("RGB", (3, 3))
    assert user_path(image) is image
    assert user_path(["~/a", b"~", "b~"]) == [str(home / "a"), b"~", "b~"]
    assert user_path(None) is None

    @takes_paths("first", "rest")
    def both(first, second="~", *rest):
        return first, second, rest

    assert both("~/a", "~/b", "~/c") == (str(home / "a"), "~/b", (str(home / "c"),))
