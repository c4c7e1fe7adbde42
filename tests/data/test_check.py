"""The data check: everything is collected, nothing stops it."""

import shutil

import numpy as np
import pytest
from folders import make_pairs, save_image, save_mask, two_classes
from rich.console import Console

from vit_adapter.config import DataConfig, InputError
from vit_adapter.data.check import check_dataset
from vit_adapter.data.report import printable

MASK = two_classes()
TEN = {f"p{index}": MASK for index in range(10)}


def _check(root, sample=None, **options):
    return check_dataset(DataConfig(root=str(root), **options), sample)


def _texts(report, level):
    return [finding.text for finding in report.findings if finding.level == level]


def test_healthy_folder(tmp_path):
    make_pairs(tmp_path, TEN)
    report = _check(tmp_path)
    assert report.ok
    assert sum(report.image_counts.values()) == report.looked_at == 10
    assert [(row.name, row.id, row.share, row.train + row.val) for row in report.rows] == [
        ("class 0", 0, 0.5, 10),
        ("class 1", 1, 0.5, 10),
    ]


def test_camvid_shares_are_those_of_its_description(data_root):
    report = _check(data_root / "camvid")
    assert report.ok
    assert [row.train for row in report.rows] == [366, 365, 366, 367, 349, 319, 351, 173, 360, 317, 201]
    assert {row.val for row in report.rows} == {101}
    road = report.rows[3]
    assert road.share == pytest.approx((367 * 0.3166 + 101 * 0.2895) / 468, abs=1e-4)
    assert report.ignored_share == pytest.approx((367 * 0.0395 + 101 * 0.0170) / 468, abs=1e-4)


def test_ade20k(data_root):
    report = _check(data_root / "ade20k")
    assert report.ok
    assert report.image_counts == {"train": 2, "val": 3}
    assert report.rows[0].name == "wall"


def test_everything_at_once(tmp_path):
    """Mistakes of many kinds in one folder, each with file, value and remedy."""
    root = make_pairs(tmp_path, TEN, "images/train", "masks/train")
    make_pairs(root, {"v": MASK, "w": MASK * 0}, "images/val", "masks/val")
    save_image(root / "images/val/v.png", 98)
    save_image(root / "images/val/w.png", 99)
    save_mask(root / "masks/train/p0.png", np.where(MASK, 37, 0))
    save_mask(root / "masks/train/p1.png", np.where(MASK, 37, 9))
    save_mask(root / "masks/train/p2.png", MASK[:8])
    (root / "masks/train/p3.png").write_bytes(b"")
    (root / "images/train/p4.png").write_bytes((root / "images/train/p4.png").read_bytes()[:100])
    save_image(root / "images/train/lonely.jpg")
    save_mask(root / "masks/train/widow.png", MASK)
    report = _check(root, classes=["road", "sky", "never"])
    assert not report.ok
    errors = "\n".join(_texts(report, "error"))
    assert "lonely.jpg: has no mask" in errors
    assert "widow.png: belongs to no image" in errors
    assert "p0.png: the mask value 37 in 192 pixels" in errors
    assert '--data.ignored_values "[37]"' in errors
    assert "in 2 masks, 384 pixels in all" in errors
    assert "p1.png: the mask value 9 in 192 pixels" in errors
    assert "p2.png: 24x8 pixels" in errors
    assert "p3.png" in errors
    assert len(_texts(report, "error")) == 6
    assert any("p4.png" in text for text in _texts(report, "warning"))
    assert any("occur nowhere" in text and "never" in text for text in _texts(report, "note"))
    assert report.unknown_share > 0


def test_damaged_images_are_errors_when_they_stop_the_run(tmp_path):
    make_pairs(tmp_path, TEN)
    (tmp_path / "images/p4.png").write_bytes(b"")
    assert _check(tmp_path).ok
    assert not _check(tmp_path, stop_on_bad_image=True).ok


def test_same_image_on_both_sides(tmp_path):
    """S29: copies under new names are reported by name."""
    make_pairs(tmp_path, {"a": MASK, "b": MASK}, "images/train", "masks/train")
    make_pairs(tmp_path, {"c": MASK, "d": MASK}, "images/val", "masks/val")
    for number, name in enumerate("cd"):
        save_image(tmp_path / f"images/val/{name}.png", 50 + number)
    assert not _texts(_check(tmp_path), "warning")
    shutil.copy(tmp_path / "images/train/b.png", tmp_path / "images/val/d.png")
    (warning,) = _texts(_check(tmp_path), "warning")
    assert "d.png (val) is the same file as" in warning
    assert "b.png (train)" in warning


def test_single_image_parts_and_classes_of_one_side(tmp_path):
    make_pairs(tmp_path, {"a": MASK, "b": MASK}, "images/train", "masks/train")
    make_pairs(tmp_path, {"c": MASK * 2}, "images/val", "masks/val")
    warnings = "\n".join(_texts(_check(tmp_path), "warning"))
    assert "the val part holds a single image" in warnings
    assert "validation only: class 2" in warnings


def test_missing_part_is_an_error_not_an_exception(tmp_path):
    make_pairs(tmp_path, {"a": MASK}, "images/train", "masks/train")
    report = _check(tmp_path)
    assert any("has no val part" in text for text in _texts(report, "error"))
    assert report.rows


def test_binary_masks(tmp_path):
    """S02."""
    make_pairs(tmp_path, {name: mask * 255 for name, mask in TEN.items()})
    (error,) = _texts(_check(tmp_path), "error")
    assert "--data.binary true" in error
    report = _check(tmp_path, binary=True)
    assert report.ok
    assert [row.share for row in report.rows] == [0.5, 0.5]


def test_palettes_that_disagree(tmp_path):
    """S01: both files, the index and its two colours."""
    make_pairs(tmp_path, TEN, "images/train", "masks/train")
    make_pairs(tmp_path, {"v": MASK}, "images/val", "masks/val")
    colours = [(200, 0, 0), (0, 200, 0)]
    for name in TEN:
        save_mask(tmp_path / f"masks/train/{name}.png", MASK, colours)
    assert _check(tmp_path).ok
    save_mask(tmp_path / "masks/train/p9.png", MASK, colours[::-1])
    (error,) = _texts(_check(tmp_path), "error")
    assert "p9.png: palette index 0 is the colour (0, 200, 0), but (200, 0, 0) in" in error
    assert "--data.classes FILE" in error


def test_coloured_masks_without_a_table(tmp_path):
    make_pairs(tmp_path, dict.fromkeys("abc", np.array([(0, 0, 9), (250, 50, 83)], np.uint8)[MASK]))
    errors = "\n".join(_texts(_check(tmp_path), "error"))
    assert "(250, 50, 83)" in errors or "(0, 0, 9)" in errors
    assert "and 1 further colour)" in errors
    assert "--data.classes FILE" in errors
    assert "3 of 3 masks are coloured" in errors


def test_all_void(tmp_path):
    make_pairs(tmp_path, dict.fromkeys("abc", np.full((4, 4), 255)))
    assert not _check(tmp_path).ok


def test_sample(tmp_path):
    make_pairs(tmp_path, TEN)
    assert _check(tmp_path, sample=4).looked_at == 4


def test_scenes():
    report = check_dataset(DataConfig(layout="scenes", scenes=(4, 2), scene_size=32))
    assert report.ok
    assert report.looked_at == 6
    assert sum(row.share for row in report.rows) == pytest.approx(1)


def test_nothing_to_look_at(tmp_path):
    with pytest.raises(InputError, match="holds no data set"):
        _check(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_printing(tmp_path, encoding):
    """S69: names outside ASCII do not fail on a terminal that lacks them; [brackets] are no markup."""
    make_pairs(tmp_path / "täst", {**TEN, "q": MASK * 9})
    with open(tmp_path / "out.txt", "w", encoding=encoding) as file:
        _check(tmp_path / "täst", classes=["Straße", "[red]"]).print(Console(file=file, width=100))
    text = (tmp_path / "out.txt").read_text(encoding)
    assert printable("Straße", encoding) in text
    assert "[red]" in text
    assert "error:" in text
    assert "training would stop" in text


def test_images_without_a_mask_are_told_once(tmp_path):
    """Where they are an error they are not said to be left out."""
    make_pairs(tmp_path, TEN)
    for name in ("p2", "p7"):
        (tmp_path / f"masks/{name}.png").unlink()
    report = _check(tmp_path)
    assert [text for text in _texts(report, "error") if "nor has 1 further of 10 images;" in text]
    assert not [text for text in _texts(report, "note") if "left out" in text]
    notes = _texts(_check(tmp_path, skip_unlabelled=True), "note")
    assert "images without a mask, which are left out: 2" in notes


def test_the_same_of_many_files_is_printed_once(tmp_path):
    make_pairs(tmp_path, TEN)
    for name in TEN:
        (tmp_path / f"masks/{name}.png").rename(tmp_path / f"masks/{name}.jpg")
        save_mask(tmp_path / f"masks/{name}.jpg", MASK)
    (tmp_path / "images/p9.png").write_bytes(b"")
    report = _check(tmp_path)
    with open(tmp_path / "out.txt", "w") as file:
        report.print(Console(file=file, width=100))
    lines = [line for line in (tmp_path / "out.txt").read_text().splitlines() if "stored as JPEG" in line]
    assert len(lines) == 3
    assert lines[2].startswith("error: 8 further files: a mask stored as JPEG has changed values")
    assert len([text for text in _texts(report, "error") if "stored as JPEG" in text]) == 10


def test_plain_values(tmp_path):
    import json

    make_pairs(tmp_path, TEN)
    content = json.loads(json.dumps(_check(tmp_path).to_dict()))
    assert content["ok"] is True
    assert content["rows"][1]["share"] == 0.5
