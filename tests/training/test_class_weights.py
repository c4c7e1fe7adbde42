"""Class weights."""

import numpy as np
import pytest
from stand_ins import TinyData

from vit_adapter.config import InputError
from vit_adapter.training.class_weights import balanced_weights, class_weights, count_pixels


def test_square_root_of_median_frequency_over_frequency():
    weights = balanced_weights(np.array([100, 400, 25]))
    assert weights == pytest.approx([1.0, 0.5, 2.0])


def test_absent_classes_weigh_one_and_do_not_move_the_median():
    assert balanced_weights(np.array([100, 0, 400, 0, 25])) == pytest.approx([1.0, 1.0, 0.5, 1.0, 2.0])
    assert balanced_weights(np.zeros(3, np.int64)) == pytest.approx([1, 1, 1])


def test_weights_are_bounded():
    """One stray pixel beside a quarter of a million weighs 10, not 500; the class that is nearly everything 0.1."""
    assert balanced_weights(np.array([250_000, 250_000, 1])) == pytest.approx([1, 1, 10])
    assert balanced_weights(np.array([10**9, 100, 100])) == pytest.approx([0.1, 1, 1])


def test_ignored_pixels_count_nowhere():
    data = TinyData(6, void=True)
    labels = np.stack([data.read(index).labels for index in range(6)])
    assert (labels == 255).any()
    assert count_pixels(data, 3).tolist() == [(labels == number).sum() for number in range(3)]


def test_a_large_data_set_is_sampled_evenly():
    class Large:
        def __len__(self):
            return 100_000

        def read(self, index):
            raise AssertionError("labels need no image")

        def read_labels(self, index):
            read.append(index)
            return np.full((2, 2), index * 3 // 100_000)

    read = []
    counts = count_pixels(Large(), 3)
    assert (len(read), read[0], read[-1]) == (1000, 0, 99_999)
    assert counts.sum() == 4000
    assert counts == pytest.approx(4000 / 3, abs=4)


def test_weights_from_a_file(tmp_path):
    file = tmp_path / "weights.txt"
    file.write_text("1, 2.5\n0.5\n")
    assert class_weights(str(file), TinyData(1), 3) == pytest.approx([1, 2.5, 0.5])
    assert class_weights(None, TinyData(1), 3) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [("1 2", "2 class weights, expected 3"), ("1 2 x", "'x'"), ("1 2 -3", "-3"), ("1 2 nan", "nan")],
)
def test_bad_files_are_named(tmp_path, text, message):
    file = tmp_path / "weights.txt"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        class_weights(str(file), TinyData(1), 3)
    assert str(file) in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        InputError, match=r"training\.class_weights=.*nowhere.*: no such file; expected auto, null \(none\)"
    ):
        class_weights(str(tmp_path / "nowhere.txt"), TinyData(1), 3)
