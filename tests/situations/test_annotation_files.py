"""The files of COCO and labelme annotations: links, missing images, and folders in which masks are expected."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vit_adapter.cli.main import main
from vit_adapter.config import DataConfig, InputError
from vit_adapter.data.conversion import convert_labelme
from vit_adapter.data.dataset import open_dataset

from .annotations import SQUARE, converted_mask, save_coco, save_labelme, save_photo
from .making import TRAINING, command, halves, refusal, save_pairs

HEADING = "Files of annotations"
TITLES = {
    147: "Folders of annotations behind links",
    148: "Images that are missing, listed twice, or of another size",
    150: "Annotations where masks are expected",
    261: "A folder without the images that an annotation file lists",
}


def test_s147_links_are_followed(tmp_path):
    """Linked folders and files count, under the names that the links have; a link to a folder above ends there."""
    shapes = [("ant", "rectangle", [[0, 0], [9, 9]], {})]
    for name in ("a", "b"):
        save_photo(tmp_path / f"store/{name}.png")
        save_labelme(tmp_path / "store", name, shapes)
    (tmp_path / "in/sub").mkdir(parents=True)
    os.symlink(tmp_path / "store", tmp_path / "in/linked")
    os.symlink(tmp_path / "in", tmp_path / "in/sub/loop")
    for name in ("blob1.json", "blob1.png"):
        os.symlink(tmp_path / "store" / name.replace("blob1", "a"), tmp_path / "in/sub" / name)
    content = json.loads((tmp_path / "store/a.json").read_text())
    (tmp_path / "in/sub/blob1.json").unlink()
    (tmp_path / "store/moved").write_text(json.dumps({**content, "imagePath": "blob1.png"}))
    os.symlink(tmp_path / "store/moved", tmp_path / "in/sub/blob1.json")
    assert convert_labelme(tmp_path / "in", tmp_path / "out").images == 3
    found = sorted(
        p.relative_to(tmp_path / "out/masks").as_posix() for p in (tmp_path / "out/masks").rglob("*.png")
    )
    assert found == ["linked/a.png", "linked/b.png", "sub/blob1.png"]


def test_s147_a_link_to_nothing(tmp_path):
    """A link whose file is gone is named as such, and does not vanish from the data."""
    save_photo(tmp_path / "in/a.png")
    save_labelme(tmp_path / "in", "a", [])
    os.symlink(tmp_path / "gone.json", tmp_path / "in/b.json")
    with pytest.raises(InputError, match=r"b\.json: cannot be read .*--skip unreadable"):
        convert_labelme(tmp_path / "in", tmp_path / "out")
    assert convert_labelme(tmp_path / "in", tmp_path / "out", skip={"unreadable"}).images == 1


def test_s147_annotations_beside_linked_images(tmp_path):
    """`../images/a.png` in a linked folder of annotations is the image beside the folder that the link leads to."""
    save_photo(tmp_path / "store/images/a.png")
    save_photo(tmp_path / "in/images/a.png", size=(8, 8))
    save_labelme(
        tmp_path / "store/boxes", "a", [("ant", "rectangle", [[0, 0], [9, 9]], {})], "../images/a.png"
    )
    os.symlink(tmp_path / "store/boxes", tmp_path / "in/boxes")
    report = convert_labelme(tmp_path / "in", tmp_path / "out")
    assert report.not_annotated == []
    assert converted_mask(tmp_path, "boxes/a").shape == (16, 16)


def test_s148_coco(tmp_path, capfd):
    """Each is told by name: a missing file with a similar one, a second listing, both sizes, a turn by EXIF."""
    save_photo(tmp_path / "a.png")
    save_photo(tmp_path / "sub/b.JPG")
    save_photo(tmp_path / "c.png", size=(8, 12))
    save_photo(tmp_path / "spare.png")
    names = ["a.png", "b.jpg", "c.png", "a.png"]
    file = save_coco(tmp_path, [(n, 1, SQUARE, {}) for n in (1, 2, 3, 4)], names)
    content = json.loads(file.read_text())
    content["images"][2] |= {"height": 12, "width": 8}
    file.write_text(json.dumps(content))
    words = ("data", "convert", file, "--out", tmp_path / "out")
    line = refusal(capfd, *words)
    assert f"{tmp_path / 'b.jpg'}: there is no such image, named by {file} (image 2)" in line
    assert f"(there is {tmp_path / 'sub/b.JPG'})" in line
    assert "c.png: shows 12x8 pixels (width x height)" in line
    assert "says 8x12; the objects seem to be drawn on the image before it is turned by its EXIF tag" in line
    assert "image 4: a.png and a.png: two images would share" in line
    assert not (tmp_path / "out").exists()
    code, out, _ = command(capfd, *words, "--skip", "double,missing,size")
    assert code == 0
    assert "1 double, 1 missing, 1 size" in out
    assert f"images without an annotation: 1, not converted: {tmp_path / 'spare.png'}" in out


def test_s148_labelme(tmp_path):
    """The same for labelme: two files that annotate one image would give it two masks."""
    shapes = [("ant", "rectangle", [[0, 0], [9, 9]], {})]
    save_photo(tmp_path / "in/a.png")
    save_photo(tmp_path / "in/bare.png")
    save_labelme(tmp_path / "in", "a", shapes)
    save_labelme(tmp_path / "in", "a_copy", shapes, image="a.png")
    save_labelme(tmp_path / "in", "gone", shapes)
    save_labelme(tmp_path / "in", "bare", [])
    with pytest.raises(InputError) as caught:
        convert_labelme(tmp_path / "in", tmp_path / "out")
    assert "a_copy.json: annotates" in str(caught.value)
    assert "gone.png: there is no such image" in str(caught.value)
    (tmp_path / "in/damaged.png").write_bytes(b"not an image")
    save_labelme(tmp_path / "in", "damaged", shapes)
    report = convert_labelme(tmp_path / "in", tmp_path / "out", skip={"double", "missing", "unreadable"})
    assert report.left_out_kinds == {"double": 1, "missing": 1, "unreadable": 1}
    assert report.not_annotated == []
    assert "images without an object: 1, every pixel has one and the same value: bare.png" in str(report)


def test_s148_paths_of_another_machine(tmp_path):
    """An absolute path of another machine in labelme's `imagePath` finds the image beside the file."""
    shapes = [("ant", "rectangle", [[0, 0], [9, 9]], {})]
    for name, image in (
        ("a", r"C:\photos\a.png"),
        ("b", "/home/somebody/b.png"),
        ("c", "../elsewhere/c.png"),
    ):
        save_photo(tmp_path / f"in/{name}.png")
        save_labelme(tmp_path / "in", name, shapes, image=image)
    assert convert_labelme(tmp_path / "in", tmp_path / "out").images == 3


def _runs(capfd, text):
    """Runs the commands that a line ends with; returns what the last one printed."""
    out = ""
    for words in text.partition("this makes masks: ")[2].split(" && "):
        code, out, err = command(capfd, *words.split()[1:])
        assert code == 0, err
    return out


def _annotated(root: Path, form: str) -> Path:
    """A folder of images with annotations; the last JSON of COCO's."""
    parts = ["train/", "valid/"] if form == "coco in parts" else ["images/" if "coco" in form else ""]
    if form == "labelme in images":
        parts = ["images/"]
    file = root
    for seed, part in enumerate(parts):
        names = [f"{part[:1]}{n}" for n in range(3)]
        for number, name in enumerate(names):
            save_photo(root / part / f"{name}.png", seed=10 * seed + number)
            if "labelme" in form:
                save_labelme(root / part, name, [("cat", "rectangle", [[0, 0], [9, 9]], {})])
        if "coco" in form:
            place = root / part if form == "coco in parts" else root / "annotations"
            file = save_coco(
                place, [(n, 1, SQUARE, {}) for n in (1, 2, 3)], [f"{name}.png" for name in names]
            )
    return file


@pytest.mark.parametrize(("form", "counts"), [("coco", (2, 1)), ("coco in parts", (3, 3))])
def test_s150_coco_is_read_as_it_is(tmp_path, capfd, form, counts):
    """A folder of COCO annotations needs no masks: objects are read from the JSON, label maps are made of them."""
    _annotated(tmp_path, form)
    code, out, _ = command(capfd, "data", "check", tmp_path, "--sheet", "")
    assert code == 0, out
    assert "layout coco_instances" in out
    for split, count in zip(("train", "val"), counts):
        for task in ("semantic", "instance"):
            dataset = open_dataset(DataConfig(root=str(tmp_path)), split, task=task)
            assert len(dataset) == count
            sample = dataset.read(0)
            assert (sample.labels == dataset.classes.names.index("cat")).sum() == 100
            assert (sample.annotation.instances is None) == (task == "semantic")


@pytest.mark.parametrize("form", ["labelme", "labelme in images", "coco file"])
@pytest.mark.parametrize("asked", ["check", "train"])
def test_s150_the_command_that_converts(tmp_path, capfd, monkeypatch, form, asked):
    """COCO and labelme annotations are recognised, and the line ends with the command that makes masks of them."""
    monkeypatch.chdir(tmp_path)
    root = Path("set")
    file = _annotated(root, form)
    given = file if form == "coco file" else root
    words = ("check", given, "--sheet", "") if asked == "check" else ()
    words = ("data", *words) if words else ("train", "--data.root", given, *TRAINING, "--out", "run")
    line = refusal(capfd, *words)
    assert f"{given}: holds {'labelme' if 'labelme' in form else 'COCO'} annotations, no masks" in line
    assert "3 images" in _runs(capfd, line)
    made = next(path for path in sorted(tmp_path.iterdir()) if path.name.endswith("_masks"))
    code, out, _ = command(capfd, "data", "check", made, "--sheet", "")
    assert code == 0, out


def test_s150_forms_without_a_command(tmp_path, capfd):
    """Other XML is recognised, too, and the line says which forms can be read."""
    save_photo(tmp_path / "images/a.png")
    file = tmp_path / "Annotations/a.xml"
    file.parent.mkdir()
    file.write_text("<annotation><layer/></annotation>")
    line = refusal(capfd, "data", "check", tmp_path)
    assert f"holds XML annotations ({file}), no masks; export them as masks" in line


def test_s150_a_folder_of_coco_files_to_convert(tmp_path, capfd, monkeypatch):
    """`data convert` with the folder instead of the JSON names the JSON and the folder of its images."""
    monkeypatch.chdir(tmp_path)
    save_photo(tmp_path / "set/images/a.png")
    save_coco(tmp_path / "set/annotations", [(1, 1, SQUARE, {})])
    line = refusal(capfd, "data", "convert", "set", "--out", "other")
    assert "1 image, 1 object" in _runs(capfd, line)


def test_s150_masks_with_annotations_beside_them(tmp_path):
    """Where there are masks, annotations beside them change nothing."""
    root = save_pairs(tmp_path, {"a": halves(0, 1), "b": halves(0, 1)})
    save_labelme(root / "images", "a", [("cat", "rectangle", [[0, 0], [9, 9]], {})])
    assert len(open_dataset(DataConfig(root=str(root)), "train").classes) == 2


def _six_images(folder):
    """A COCO JSON of six images, and the images in a folder that it does not name."""
    entries = []
    for number in range(1, 7):
        path = folder / "pictures" / "train" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 9, 3), 40 * number, np.uint8)).save(path)
        entries.append({"id": number, "file_name": path.name, "height": 8, "width": 9})
    square = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5, 1, 5]]}
    content = {"images": entries, "annotations": [square], "categories": [{"id": 1, "name": "cell"}]}
    file = folder / "annotations" / "cells.json"
    file.parent.mkdir()
    file.write_text(json.dumps(content))
    return file


def test_s261_the_folder_of_the_images_is_named(tmp_path, capfd):
    """Where none of the images that a COCO JSON lists is in the folder, one line names the folder that holds them; with
    `--images` and that folder the conversion succeeds."""
    file, place = _six_images(tmp_path), tmp_path / "pictures" / "train"
    line = refusal(capfd, "data", "convert", file, "--out", tmp_path / "out")
    assert (
        f"{file.parent}: holds none of the 6 images that {file} lists, such as 1.jpg; {place} holds them"
        in line
    )
    assert line.endswith(f"--images {place}")
    assert "such folder" in refusal(
        capfd, "data", "convert", file, "--images", "no/such", "--out", tmp_path / "out"
    )
    assert main(["data", "convert", str(file), "--images", str(place), "--out", str(tmp_path / "out")]) == 0
    assert not (tmp_path / "second").exists()
    place.rename(tmp_path / "taken away")
    for image in (tmp_path / "taken away").iterdir():
        image.unlink()
    (tmp_path / "out" / "images").rename(tmp_path / "out" / "copies")
    (tmp_path / "out" / "copies" / "1.jpg").unlink()
    line = refusal(capfd, "data", "convert", file, "--out", tmp_path / "second")
    assert line.endswith("name the folder that they are in: --images FOLDER")
    assert not (tmp_path / "second").exists()
