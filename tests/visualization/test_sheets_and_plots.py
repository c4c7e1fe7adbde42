"""Contact sheets, curves and confusion matrices: sizes, odd input, and no global plotting state."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from vit_adapter.config import InputError
from vit_adapter.visualization import LegendEntry, contact_sheet, plot_confusion, plot_curves


def photo(height, width, value=0):
    return np.full((height, width, 3), value, np.uint8)


def test_sheet_holds_every_image_at_its_ratio():
    red = np.zeros((100, 200, 3), np.uint8)
    red[..., 0] = 255
    sheet = np.asarray(contact_sheet([[red, None], [photo(200, 100), red]], cell=(100, 100)))
    is_red = (sheet == [255, 0, 0]).all(axis=2)
    assert is_red.sum() == 2 * 100 * 50
    is_black = (sheet == 0).all(axis=2)
    assert is_black.sum() == 50 * 100
    assert not is_red[:, :10].any()
    assert not is_red[:10].any()


def test_sheet_grows_with_titles_captions_and_legend():
    rows = [[photo(60, 80), photo(60, 80)]]
    plain = contact_sheet(rows, cell=(160, 120))
    titled = contact_sheet(rows, ["image", "truth"], ["a.png"], (160, 120), title="Scenes")
    full = contact_sheet(
        rows, ["image", "truth"], ["a.png"], (160, 120), "Scenes", [LegendEntry("road", (1, 200, 3))]
    )
    assert plain.width == titled.width == full.width
    assert plain.height < titled.height < full.height
    assert (np.asarray(full) == [1, 200, 3]).all(axis=2).sum() > 50


def test_nothing_covers_the_images():
    red = np.zeros((60, 80, 3), np.uint8)
    red[..., 0] = 255
    sheet = contact_sheet([[red]], cell=(160, 120), legend=[LegendEntry("road", (1, 200, 3))])
    assert (np.asarray(sheet) == [255, 0, 0]).all(axis=2).sum() == 160 * 120


def test_captions_stand_under_each_image():
    """A low image beside a high one: its caption is close to it, and no caption reaches into the next column."""
    low, high = photo(50, 200, 200), photo(150, 200, 200)
    rows = [[low, high]]
    long = "a name that is far too long for one image " * 3
    bare, sheet = (
        np.asarray(contact_sheet(rows, captions=[texts], cell=(200, 150)), int)
        for texts in (["  ", "  "], [long, "b"])
    )
    is_image = (bare == 200).all(axis=2)
    left_end = np.flatnonzero(is_image.any(axis=0) & ~np.roll(is_image.any(axis=0), -1))[0]
    low_end = np.flatnonzero(is_image[:, : left_end + 1].any(axis=1))[-1]
    high_end = np.flatnonzero(is_image.any(axis=1))[-1]
    written = (sheet != bare).any(axis=2)
    rows_left = np.flatnonzero(written[:, : left_end + 1].any(axis=1))
    rows_right = np.flatnonzero(written[:, left_end + 1 :].any(axis=1))
    assert low_end < rows_left.min() <= rows_left.max() < low_end + 40
    assert high_end < rows_right.min()
    assert not written[: high_end + 1, left_end + 1 :].any()


def test_an_empty_sheet_is_refused():
    with pytest.raises(InputError, match="no images"):
        contact_sheet([])
    with pytest.raises(InputError, match="bool"):
        contact_sheet([[np.zeros((4, 4, 3), bool)]])


HISTORY = [{"step": step, "loss": 2.0 / (step + 1)} for step in range(100)]


@pytest.mark.parametrize(
    "history",
    [
        [],
        [{"step": 0, "loss": float("nan")}],
        [{"step": 3, "mIoU": 0.0}],
        [{"step": 5, "loss": 1.0, "mIoU": None}, {"loss": 2.0}],
        [*HISTORY[::-1], {"step": 50, "mIoU": 0.3}, {"step": 99, "mIoU": 0.8}],
        [{"step": step, "loss": 1e9 if step == 30 else 0.0} for step in range(60)],
        [{"step": step, "loss": -1.0} for step in range(20)],
    ],
)
def test_curves_of_every_history(history, tmp_path, recwarn):
    path = plot_curves(history, tmp_path / "curves.png", "a $run$ name")
    with Image.open(path) as image:
        assert image.width > 800
    assert list(tmp_path.iterdir()) == [path]
    assert not recwarn.list


@pytest.mark.parametrize("classes", [1, 2, 20, 21, 150])
@pytest.mark.slow
def test_confusion_of_few_and_many_classes(classes, tmp_path, recwarn):
    matrix = np.eye(classes, dtype=np.int64) * 50 + 1
    matrix[classes // 2] = 0
    names = [f"class number {index} with a rather long $name$" for index in range(classes)]
    names[0] = "道路"  # no letters for it in the plots' font
    path = plot_confusion(matrix, names, tmp_path / "confusion.png")
    with Image.open(path) as image:
        assert 500 < image.width < 4500
        assert abs(image.width - image.height) < 300
    assert not recwarn.list


@pytest.mark.parametrize(
    ("matrix", "names", "words"),
    [
        (np.zeros((2, 3)), None, r"\(2, 3\)"),
        (np.zeros((2, 2)), ["a"], "1 class names"),
        (np.zeros((0, 0)), None, "0"),
    ],
)
def test_odd_matrices_are_refused(matrix, names, words, tmp_path):
    with pytest.raises(InputError, match=words):
        plot_confusion(matrix, names, tmp_path / "confusion.png")
    assert not list(tmp_path.iterdir())


def test_plotting_is_imported_late_and_leaves_no_global_state(tmp_path):
    program = (
        "import sys, vit_adapter.visualization as v\n"
        "assert not any(name.split('.')[0] in ('matplotlib', 'torch') for name in sys.modules)\n"
        "v.plot_curves([], sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.png")], check=True)


def test_a_confusion_matrix_shows_its_zeros(tmp_path, monkeypatch):
    """Rows with true pixels have a number in each cell: 0 is none, and no rounding makes 0 or 100 of anything else."""
    from vit_adapter.visualization import confusion

    figures = []
    monkeypatch.setattr(confusion, "save_figure", lambda figure, path: figures.append(figure))
    matrix = np.array([[9996, 4, 0, 0], [0, 0, 0, 0], [0, 50, 850, 100], [0, 7, 0, 993]])
    plot_confusion(matrix, None, tmp_path / "matrix.png")
    texts = {text.get_position(): text.get_text() for text in figures[0].axes[0].texts}
    shown = [[texts.get((column, row)) for column in range(4)] for row in range(4)]
    assert shown == [
        [">99.9", "<0.1", "0", "0"],
        [None] * 4,
        ["0", "5.0", "85", "10"],
        ["0", "0.7", "0", "99.3"],
    ]


def test_plots_without_a_home_folder():
    """Advice of matplotlib on its cache is no part of what a run says."""
    code = (
        "from vit_adapter.visualization import figure; figure.new_figure(1, 1); figure.drawable_names(['a'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HOME": "/dev/null/x", "MPLCONFIGDIR": ""},
        capture_output=True,
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")
