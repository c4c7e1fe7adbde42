"""Memory of large images with 150 classes, each measured in a process of its own (without a resize: S57)."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vit_adapter.config import InferenceConfig, InputError
from vit_adapter.inference import Application

SIZE = (3600, 4000)
"""Scores of 150 classes at this size are 8.6 GB, and more numbers than 32 bits can count."""
CLASSES = 150
LIMIT_GB = 4.0
PROTOCOLS = {
    "published": InferenceConfig(resize=(2048, 512)),
    "views": InferenceConfig(resize=(2048, 512), flip=True),
}


def last_class_where_blue(windows):
    """Class 149 where the image is blue, class 3 elsewhere."""
    scores = torch.zeros(windows.shape[0], CLASSES, *windows.shape[-2:])
    scores[:, 3] = 0.5
    scores[:, -1] = windows[:, 2] > 0
    return scores


def _measure(name: str, size: tuple[int, int]) -> None:
    torch.set_num_threads(1)
    image = np.zeros((*size, 3), np.uint8)
    image[size[0] // 2 :, size[1] // 2 :, 2] = 255
    options = {"num_classes": CLASSES, "batch_size": 4}
    labels = Application(last_class_where_blue, [image], PROTOCOLS[name], **options).labels()[0]
    margin = 24  # resized to the network's size and back, the border itself is blurred
    below, right = size[0] // 2, size[1] // 2
    assert labels.shape == size
    assert (labels[below + margin :, right + margin :] == 149).all()
    assert (labels[: below - margin] == 3).all()
    assert (labels[:, : right - margin] == 3).all()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)  # Linux counts in KiB


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units")
@pytest.mark.parametrize(("name", "size"), [("published", SIZE), ("views", (2400, 3600))])
def test_peak_memory(name, size):
    code = f"from test_large_images import _measure; _measure({name!r}, {size!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < LIMIT_GB


def test_a_limit_of_one_s_own_or_none_gives_scores():
    image = np.zeros((30, 40, 3), np.uint8)
    prediction = Application(
        last_class_where_blue, [image], InferenceConfig(multiple=None), num_classes=CLASSES
    )
    with pytest.raises(InputError, match=r"0\.0 GB"):
        prediction.scores(limit_bytes=150 * 30 * 40 * 4 - 1)
    assert prediction.scores(limit_bytes=150 * 30 * 40 * 4)[0].shape == (150, 30, 40)
    assert prediction.scores(limit_bytes=None)[0].shape == (150, 30, 40)
