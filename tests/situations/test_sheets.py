"""Sheets of images that are looked at: what their legends and captions say holds for what is drawn."""

import numpy as np
import pytest
from PIL import Image

from vit_adapter.annotations import Instances
from vit_adapter.api import check_data
from vit_adapter.config import DataConfig
from vit_adapter.evaluation.loop import ImageScore
from vit_adapter.evaluation.object_sheet import object_caption
from vit_adapter.tasks import InstanceResult
from vit_adapter.visualization import default_palette

from .annotations import save_coco, save_photo

HEADING = "Sheets to look at"
TITLES = {
    376: "More classes than a legend has room for",
    377: "Objects of one class in a colour that the legend gives to another",
    378: "Objects that are counted and not drawn",
}


@pytest.fixture
def legend(monkeypatch):
    """The names and colours in the legend of a sheet of ``data check``."""
    seen = {}

    def spy(rows, legend, **more):
        seen.update({entry.name: entry.colour for entry in legend})
        return Image.new("RGB", (8, 8))

    monkeypatch.setattr("vit_adapter.visualization.contact_sheet", spy)
    return seen


def coco_folder(root, categories, used):
    """Two images with an object of each of the classes ``used``, counted from 1."""
    names = ("a.png", "b.png")
    for seed, name in enumerate(names):
        save_photo(root / name, (24, 24), seed)
    objects = [(n, label, [0, 0, 0, 9, 9, 9, 9, 0], {}) for n, label in enumerate(used, start=1)]
    return str(save_coco(root, objects, names, categories).parent)


def test_s376_a_legend_names_the_classes_that_occur(tmp_path, legend):
    """Beyond forty classes the legend names those that the sheet shows, not the first ones of the list."""
    categories = [f"class {n}" for n in range(1, 61)]
    config = DataConfig(root=coco_folder(tmp_path, categories, [57, 57]))
    assert check_data(config, sheet=tmp_path / "sheet.png")
    assert set(legend) - {"background"} == {"class 57"}
    legend.clear()
    config = DataConfig(root=coco_folder(tmp_path, categories[:30], [29, 29]))
    assert check_data(config, sheet=tmp_path / "sheet.png")
    assert set(legend) - {"background"} == set(categories[:30])


def found(names, classes):
    """A result with an object of each class, side by side in an image of black."""
    masks = np.zeros((len(classes), 12, 12 * len(classes)), bool)
    for number, mask in enumerate(masks):
        mask[2:10, 12 * number + 2 : 12 * number + 10] = True
    instances = Instances.from_masks(np.array(classes), masks)
    return InstanceResult(
        image=np.zeros((*masks.shape[1:], 3), np.uint8), class_names=names, instances=instances
    )


def test_s377_a_class_has_its_colour_on_every_image(tmp_path, legend):
    """On a sheet a class is drawn in the colour of the legend, also where it alone occurs; where it is the only class
    of all, objects have colours of their own, and the legend gives it none."""
    result = found(("cat", "dog"), [1, 1])
    colours = np.asarray(result.on_sheet(1.0))[6, [6, 18]]
    assert (colours == default_palette(2)[1]).all()
    alone = np.asarray(found(("dog",), [0, 0]).on_sheet(1.0))[6, [6, 18]]
    assert (alone[0] != alone[1]).any()
    assert check_data(DataConfig(root=coco_folder(tmp_path, ["dog"], [1, 1])), sheet=tmp_path / "sheet.png")
    assert legend["dog"] is None


def test_s378_captions_count_what_is_drawn():
    """Beside the objects that are counted at any score stands the number of those that are drawn."""
    score = ImageScore("a.png", 0, 0.005, {"objects": 3, "found": 600, "right": 1})

    class Measured:
        headline = "AP"

    caption = object_caption(score, Measured, found(("cat", "dog"), [0, 1]))  # pyright: ignore
    assert caption == "AP 0.5 %; objects 3, found 600, right 1, drawn 2"
