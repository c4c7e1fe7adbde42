"""What a prediction gives back, and the files it writes."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from PIL import Image

from vit_adapter.config import InputError
from vit_adapter.tasks import Result, SemanticResult

LABELS = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
IMAGE = np.full((2, 3, 3), 100, np.uint8)
NAMES = ("road", "sky", "car")


def result(**changes):
    values = {"labels": LABELS, "class_names": NAMES, "image": IMAGE, "ids": (7, 11, 255)} | changes
    return SemanticResult(**values)


def test_is_frozen_and_has_defaults():
    plain = result(ids=None)
    assert plain.ids == (0, 1, 2)
    assert plain.palette.shape == (3, 3)
    assert plain.annotation.labels is plain.labels
    assert plain.annotation.instances is None
    assert isinstance(plain, Result)
    with pytest.raises(FrozenInstanceError):
        plain.labels = LABELS + 1


def test_scores_are_made_once_and_on_request():
    limits = []

    def make(limit):
        limits.append(limit)
        return np.zeros((3, 2, 3), np.float32)

    lazy = result(make_scores=make)
    assert not limits
    assert lazy.scores is lazy.scores
    assert limits == [2**32]
    lazy.all_scores()
    assert limits == [2**32, None]
    with pytest.raises(InputError, match="labels only"):
        _ = result().scores


@pytest.mark.parametrize(
    ("ids", "kind", "expected"),
    [
        ("own", np.uint8, [[7, 11, 255], [255, 11, 7]]),
        ("contiguous", np.uint8, LABELS.tolist()),
    ],
)
def test_label_file_has_the_ids_asked_for(tmp_path, ids, kind, expected):
    files = result().save(tmp_path / "new", "photo", ids=ids)
    assert [file.name for file in files] == ["photo_labels.png", "photo_overlay.png"]
    written = np.asarray(Image.open(files[0]))
    assert written.dtype == kind
    assert written.tolist() == expected
    assert Image.open(files[1]).mode == "RGB"
    assert sorted(path.name for path in files[0].parent.iterdir()) == [file.name for file in files]


def test_large_ids_and_many_classes_are_written_with_16_bits(tmp_path):
    large = result(ids=(0, 256, 65535))
    (file, _) = large.save(tmp_path, "large")
    assert np.asarray(Image.open(file)).tolist() == [[0, 256, 65535], [65535, 256, 0]]
    many = result(
        labels=np.full((2, 3), 299, np.uint16), class_names=tuple(f"class {i}" for i in range(300)), ids=None
    )
    (file, _) = many.save(tmp_path, "many", ids="contiguous")
    assert np.asarray(Image.open(file)).tolist() == [[299] * 3] * 2


def test_scores_file(tmp_path):
    scores = np.random.default_rng(0).random((3, 2, 3)).astype(np.float32)
    files = result(make_scores=lambda limit: scores).save(tmp_path, "photo", scores=True)
    np.testing.assert_array_equal(np.load(files[2]), scores)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    with pytest.raises(InputError, match="'mine'"):
        result().save(tmp_path, "photo", ids="mine")
    with pytest.raises(InputError, match="labels only"):
        result().save(tmp_path, "photo", scores=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "image",
    [
        np.linspace(0, 60000, 2 * 3 * 5).reshape(2, 3, 5).astype(np.uint16),
        np.array([[[np.nan], [1.0], [2.0]], [[np.inf], [0.0], [-1.0]]], np.float32),
        np.zeros((2, 3, 1), np.float32),
    ],
)
def test_overlay_of_images_that_are_no_photos(image):
    assert result(image=image).overlay(legend=False).mode == "RGB"


def test_overlay_with_all_opacity_shows_the_palette():
    drawn = np.asarray(
        result(labels=np.full((64, 64), 2, np.uint8), image=np.zeros((64, 64, 3), np.uint8)).overlay(1, False)
    )
    assert (drawn == result().palette[2]).all()


def test_opacity_of_the_saved_overlay(tmp_path):
    square = result(labels=np.full((64, 64), 2, np.uint8), image=np.zeros((64, 64, 3), np.uint8))
    for alpha in (0.2, 0.9):
        (_, file) = square.save(tmp_path, "photo", alpha=alpha)
        np.testing.assert_array_equal(np.asarray(Image.open(file)), np.asarray(square.overlay(alpha)))
    with pytest.raises(InputError, match="alpha is 2"):
        square.save(tmp_path / "other", "photo", alpha=2)
    assert not (tmp_path / "other").exists()
