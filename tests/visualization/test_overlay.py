"""Overlay and legend: sizes, colours, what is listed, and inputs of every shape."""

import numpy as np
import pytest

from vit_adapter.config import InputError
from vit_adapter.visualization import legend
from vit_adapter.visualization.overlay import _entries, _inside, colorize, overlay
from vit_adapter.visualization.palette import default_palette
from vit_adapter.visualization.text import drawable, font, shortened

PALETTE = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200]], np.uint8)


def test_palette_is_distinct_stable_and_starts_the_same():
    palette = default_palette(3000)
    assert palette.dtype == np.uint8
    assert len(np.unique(palette, axis=0)) == 3000
    assert palette.any(axis=1).all()
    for count in (0, 1, 20, 21, 150, 256, 257, 1000, 1001):
        np.testing.assert_array_equal(default_palette(count), palette[:count])
    default_palette(5)[:] = 0
    assert default_palette(5).any()


def test_first_twenty_colours_stay_apart_for_colour_blind_eyes():
    from vit_adapter.visualization.palette import _seen

    for view in _seen(default_palette(20).astype(int)):
        distances = np.linalg.norm(view[:, None] - view[None], axis=-1) + 9 * np.eye(20)
        assert distances.min() > 0.05


def test_colorize_takes_any_integer_and_marks_the_rest():
    labels = np.array([[0, 1], [2, 255]])
    expected = [[[200, 0, 0], [0, 200, 0]], [[0, 0, 200], [9, 9, 9]]]
    for dtype in (np.uint8, np.uint16, np.int16, np.int64):
        np.testing.assert_array_equal(colorize(labels.astype(dtype), PALETTE, (9, 9, 9)), expected)
    np.testing.assert_array_equal(colorize(np.array([[-1]]), PALETTE), [[[0, 0, 0]]])


def test_colours_are_mixed_inside_and_ignored_pixels_show_the_image():
    image = np.full((600, 800, 3), 100, np.uint8)
    labels = np.zeros((600, 800), np.uint8)
    labels[:, 400:] = 255
    drawn = overlay(image, labels, PALETTE, alpha=0.5, legend=False)
    assert drawn.shape == image.shape
    np.testing.assert_array_equal(drawn[300, 100], [150, 50, 50])
    np.testing.assert_array_equal(drawn[300, 700], [100, 100, 100])
    assert (drawn[:, 399] > 190).all()  # the border
    assert (drawn[:, 397] == [150, 50, 50]).all()


@pytest.mark.parametrize("size", [(600, 700), (257, 600), (520, 300)])
def test_borders_are_the_same_in_every_strip(size):
    labels = np.zeros(size, np.uint8)
    labels[size[0] // 2 :] = 1
    labels[255:257, :5] = 2  # across the edge of a strip
    drawn = overlay(np.zeros((*size, 3), np.uint8), labels, PALETTE, alpha=1, legend=False)
    light = (drawn > 190).all(axis=2)
    expected = np.zeros(size, bool)
    expected[:-1] |= labels[:-1] != labels[1:]
    expected[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    np.testing.assert_array_equal(light, expected)


def test_opacity_reaches_both_ends():
    image = np.full((512, 512, 3), 77, np.uint8)
    labels = np.ones((512, 512), np.int64)
    np.testing.assert_array_equal(overlay(image, labels, PALETTE, alpha=0, legend=False), image)
    np.testing.assert_array_equal(overlay(image, labels, PALETTE, alpha=1, legend=False)[9, 9], PALETTE[1])


def test_legend_lists_what_occurs_largest_first():
    labels = np.zeros((10, 10), np.uint8)
    labels[:6] = 2
    labels[9] = 255
    listed = _entries(_inside(labels, 3), PALETTE, ["sky", "road", "car "])
    assert [(entry.name.strip(), round(entry.share or 0, 6)) for entry in listed] == [
        ("car", 0.6),
        ("sky", 0.3),
        ("ignored", 0.1),
    ]
    assert [entry.colour for entry in listed] == [(0, 0, 200), (200, 0, 0), None]


@pytest.mark.parametrize(
    "shape", [(1, 1, 3), (3, 700, 3), (700, 3, 1), (128, 128, 4), (90, 40, 3), (40, 90, 2), (64, 64, 12)]
)
def test_every_shape_gives_a_legible_image(shape):
    labels = np.arange(shape[0] * shape[1]).reshape(shape[:2]) % 40
    bare = overlay(np.zeros(shape, np.uint8), labels, legend=False)
    full = overlay(np.zeros(shape, np.uint8), labels)
    assert bare.dtype == full.dtype == np.uint8
    assert bare.shape[2] == full.shape[2] == 3
    assert max(bare.shape) >= 400
    assert full.shape[0] >= bare.shape[0]
    assert full.shape[0] * full.shape[1] > bare.shape[0] * bare.shape[1]
    assert (full[-1, -1] == legend.BACKGROUND).all()


def test_a_grey_image_stays_grey_under_nothing():
    image = np.arange(256, dtype=np.uint8).repeat(1024).reshape(512, 512)
    drawn = overlay(image, np.full((512, 512), 255, np.uint8), PALETTE, legend=False)
    np.testing.assert_array_equal(drawn, image[:, :, None].repeat(3, axis=2))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_images_of_other_types_are_stretched(dtype):
    image = np.linspace(0, 30000, 512 * 512).reshape(512, 512, 1).astype(dtype)
    if dtype == np.float32:
        image[0, 0] = np.nan
    drawn = overlay(image, np.full((512, 512), 255, np.uint8), PALETTE, legend=False)
    assert drawn[0, 0].max() == 0
    assert drawn[-1, -1].min() == 255
    assert abs(int(drawn[256, 0, 0]) - 127) <= 1


def test_labels_of_more_than_255_classes():
    labels = np.full((512, 512), 300, np.uint16)
    labels[0] = 65535
    drawn = overlay(np.zeros((512, 512, 3), np.uint8), labels, alpha=1, legend=False)
    np.testing.assert_array_equal(drawn[9, 9], default_palette(301)[300])
    np.testing.assert_array_equal(drawn[0, 9], [191, 191, 191])  # bare image, border


@pytest.mark.parametrize(
    ("image", "labels", "names", "alpha", "words"),
    [
        (np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4), int), None, 0.5, "(5, 4)"),
        (np.zeros((4, 5, 3), bool), np.zeros((4, 5), int), None, 0.5, "bool"),
        (np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5)), None, 0.5, "float64"),
        (np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), int), None, 1.5, "1.5"),
        (np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), int), ["a"], 0.5, "1 class names"),
    ],
)
def test_bad_input_is_named(image, labels, names, alpha, words):
    with pytest.raises(InputError) as caught:
        overlay(image, labels, PALETTE, names, alpha)
    assert words in str(caught.value)


def test_text_falls_back():
    assert drawable("bed ", 16)[0] == "bed"
    assert drawable("two\nlines", 16)[0] == "two lines"
    assert drawable("\ue000\ue001", 16, "class 3")[0] == "class 3"  # private use: in no font
    assert drawable("car \ue000", 16, "class 3")[0] == "car"
    assert drawable("Gebäude", 16)[0] in ("Gebäude", "Gebaude")
    long = shortened("word " * 30, font(16), 100)
    assert long.endswith("...")
    assert font(16).getlength(long) <= 110


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100.0 %"), (0.1234, "12.3 %"), (0.0002, "<0.1 %"), (0.0, "0.0 %")]
)
def test_shares_are_written_shortly(share, text):
    assert legend.percent(share) == text


def test_too_many_classes_are_summed_up():
    entries = [legend.LegendEntry(f"class {index}", (1, 2, 3), 0.01) for index in range(100)]
    lines = [legend._Line(entry, legend._Measure(13)) for entry in entries]
    kept = legend._at_most(lines, 10, legend._Measure(13))
    assert len(kept) == 10
    assert (kept[-1].text, kept[-1].share) == ("91 more", "91.0 %")
