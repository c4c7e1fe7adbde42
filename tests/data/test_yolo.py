"""YOLO's label files: polygons, boxes, arrangements."""

import numpy as np
import pytest
from converting import converted, save_json
from folders import save_image

from vit_adapter.config import DataConfig, InputError
from vit_adapter.data.conversion import convert
from vit_adapter.data.dataset import open_dataset

SIZE = (40, 50)
POLYGON = "1 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5"
BOX = "0 0.5 0.75 0.4 0.2"


def _save(root, texts, names="names:\n  0: ant\n  1: café\n", images="images", labels="labels"):
    """Names, which may begin with a part, to the lines of their labels; None: there is no file."""
    for seed, (name, text) in enumerate(texts.items()):
        part, _, stem = name.rpartition("/")
        save_image(root / images.replace("PART", part) / f"{stem}.png", seed, SIZE)
        if text is not None:
            place = root / labels.replace("PART", part) / f"{stem}.txt"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
    if names is not None:
        (root / "data.yaml").write_text(f"train: ../train/images\n{names}", encoding="utf-8")
    return root


def test_polygons_and_boxes(tmp_path):
    mask, objects, report = converted(_save(tmp_path / "set", {"a": f"{POLYGON}\n{BOX}\n"}), tmp_path / "out")
    expected = np.zeros(SIZE, int)
    expected[4:20, 5:25], expected[26:34, 15:35] = 2, 1
    assert (mask == expected).all()
    assert objects[10, 10] != objects[30, 20]
    assert report.classes == ["background", "ant", "café"]


@pytest.mark.parametrize(
    ("images", "labels"), [("PART/images", "PART/labels"), ("images/PART", "labels/PART"), ("PART", "PART")]
)
def test_parts(tmp_path, images, labels):
    """Roboflow's arrangement, Ultralytics' and texts beside images; the result opens for every task."""
    texts = {"train/a": POLYGON, "train/b": "", "valid/c": POLYGON, "test/d": BOX}
    _save(tmp_path / "set", texts, "names: [ant, café]\n", images, labels)
    report = convert(tmp_path / "set", tmp_path / "out")
    assert report.parts == {"train": 2, "val": 1, "test": 1}
    assert (tmp_path / "out/train/masks/b.png").is_file()
    config = DataConfig(root=str(tmp_path / "out"))
    for task in ("instance", "panoptic", "detection"):
        sample = open_dataset(config, "train", task=task).read(0)
        assert sample.annotation.instances.boxes.tolist() == [[5, 4, 25, 20]]


def test_boxes_alone(tmp_path):
    """Overlapping boxes are whole in the JSON, and the report says what they are for."""
    lines = "0 0.4 0.5 0.4 0.4\n0 0.5 0.5 0.4 0.4\n"
    _save(tmp_path / "set", {"a": lines, "b": lines})
    report = convert(tmp_path / "set", tmp_path / "out")
    assert "all 4 objects are boxes" in str(report)
    config = DataConfig(root=str(tmp_path / "out"), layout="coco_instances")
    sample = open_dataset(config, "train", task="detection").read(0)
    assert sample.annotation.instances.boxes.tolist() == [[10, 12, 30, 28], [15, 12, 35, 28]]


def test_without_names(tmp_path):
    report = convert(_save(tmp_path / "set", {"a": POLYGON}, None), tmp_path / "out")
    assert report.classes == ["background", "class 1"]
    assert "classes are called by their numbers" in str(report)
    (tmp_path / "set/classes.txt").write_text("no\n010\n")
    assert convert(tmp_path / "set", tmp_path / "other").classes == ["background", "no", "010"]


def test_an_image_without_labels_is_told(tmp_path):
    report = convert(_save(tmp_path / "set", {"a": POLYGON, "b": None}), tmp_path / "out")
    assert [name.rpartition("/")[2] for name in report.not_annotated] == ["b.png"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 0.1 0.1 0.5 0.1 0.5", "5 numbers behind the class"),
        ("1 0.1 0.1 0.5 0.1", None),
        ("1 10 10 50 10 50 50", "coordinate 10, expected a share"),
        ("1 nan 0.1 0.5 0.1 0.5 0.5", "'nan', expected a number"),
        ("1 0.1 x 0.5 0.1 0.5 0.5", "'x', expected a number"),
        ("7 0.1 0.1 0.5 0.1 0.5 0.5", r"the label 'class 7' is not in .*data\.yaml"),
        ("-1 0.1 0.1 0.5 0.1 0.5 0.5", "has no label"),
        ("1", "0 numbers behind the class"),
    ],
)
def test_lines(tmp_path, line, message):
    source = _save(tmp_path / "set", {"a": f"{POLYGON}\n{line}\n"})
    if message is None:
        assert convert(source, tmp_path / "out").objects == 2
        return
    with pytest.raises(InputError, match=rf"a\.txt: line 2.*{message}") as caught:
        convert(source, tmp_path / "out")
    kind = str(caught.value).rpartition("--skip ")[2]
    assert convert(source, tmp_path / "out", skip=kind).left_out_kinds == {kind: 1}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("kpt_shape: [17, 3]\nnames: [a]\n", "describes poses"),
        ("names: {4000000000: a}\n", "number 4000000000"),
        ("nc: 3\n", "no list of class names"),
        ("names: [a, a]\n", "'a' occurs twice"),
        ("names: [a\n", "is not YAML"),
    ],
)
def test_descriptions(tmp_path, names, message):
    with pytest.raises(InputError, match=message):
        convert(_save(tmp_path / "set", {"a": POLYGON}, names), tmp_path / "out")


def test_the_description_itself(tmp_path):
    source = _save(tmp_path / "set", {"a": POLYGON})
    assert convert(source / "data.yaml", tmp_path / "out").images == 1
    with pytest.raises(InputError):
        convert(save_json(tmp_path / "else.json", {}), tmp_path / "third")
