"""Memory: what an evaluation holds, and images with more scores than 32 bits can count."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from vit_adapter import InputError, Segmenter
from vit_adapter.api import predict
from vit_adapter.config import EvaluationConfig, InferenceConfig
from vit_adapter.evaluation import measure
from vit_adapter.inference import Application

from .making import GREEN, RED, colour_model
from .training_parts import Images

SIDE = 128
"""Full-size scores of 150 classes are 10 MB at this side."""

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and the units of Linux")


class _PlainHead(nn.Conv2d):
    """Scores of 150 classes from an image's colours, without much work."""

    def __init__(self) -> None:
        super().__init__(3, 150, 1)

    def forward(self, pyramid):
        return super().forward(pyramid[0])


def many_classes() -> Segmenter:
    torch.manual_seed(0)
    return Segmenter(
        colour_model([RED, GREEN]).backbone,
        _PlainHead(),
        150,
        protocol=InferenceConfig(crop=SIDE, stride=SIDE),
    ).eval()


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


class _Watched(Images):
    """The same image 200 times; memory is noted at every reading."""

    def __init__(self, photo: np.ndarray) -> None:
        super().__init__([photo] * 200, [np.zeros(photo.shape[:2], np.uint8)] * 200, 150)
        self.megabytes: list[float] = []

    def read(self, index: int):
        self.megabytes.append(resident_megabytes())
        return super().read(index)


@linux
@pytest.mark.slow
def test_s56_evaluation_that_keeps_everything():
    """Images are counted and forgotten one after the other."""
    data = _Watched(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    result = measure(many_classes(), data, EvaluationConfig(batch_size=1), progress=False)
    assert result.matrix.counts.sum() == 200 * SIDE * SIDE
    assert len(data.megabytes) == 200
    assert max(data.megabytes) - max(data.megabytes[:20]) < 100


@pytest.mark.slow
@linux
def test_s56_prediction_of_a_folder(tmp_path):
    """Results are written one after the other; memory does not grow with the number of images."""
    model, megabytes = many_classes(), []
    segment = model.predict

    def watched(*arguments, **settings):
        megabytes.append(resident_megabytes())
        return segment(*arguments, **settings)

    model.predict = watched
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    for number in range(100):
        Image.fromarray(noise).save(tmp_path / f"{number}.png", compress_level=0)
    assert predict(model, [tmp_path], tmp_path / "out", quiet=True) == []
    assert len(megabytes) == 100
    assert max(megabytes) - max(megabytes[:20]) < 100


LARGE = """
import resource
import numpy as np
import torch
from vit_adapter.config import InferenceConfig
from vit_adapter.inference import Application

torch.set_num_threads(1)
image = np.zeros((3600, 4000, 3), np.uint8)
image[1800:, 2000:, 2] = 255

def scores(windows):
    scores = torch.zeros(len(windows), 150, *windows.shape[-2:])
    scores[:, 3] = 0.5
    scores[:, 149] = windows[:, 2] > 0
    return scores

protocol = InferenceConfig(crop=512, stride=512, multiple=None)
labels = Application(scores, [image], protocol, num_classes=150, batch_size=4).labels()[0]
assert labels.size * 150 > 2**31
quarter = labels[1800:, 2000:]
print((quarter == 149).all(), (labels == 149).sum() == quarter.size, (labels == 3).sum() == 3 * quarter.size)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.slow
@linux
def test_s57_more_than_2_31_elements_in_one_resize():
    """Scores of large images are made and reduced in strips: labels are right and memory stays below 4 GB."""
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    right, gigabytes = done.stdout.splitlines()
    assert right == "True True True"
    assert float(gigabytes) < 4


def test_s57_full_scores_of_a_large_image():
    """Full scores of such a size are refused in one line that names the size; a higher limit gives them."""
    image = np.zeros((4000, 6000, 3), np.uint8)
    prediction = Application(lambda windows: windows, [image], InferenceConfig(), num_classes=150)
    with pytest.raises(InputError, match=r"150 classes at 6000x4000 pixels are 14\.4 GB") as error:
        prediction.scores()
    assert "\n" not in str(error.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator here")
def test_s57_on_an_accelerator():
    """The same labels where scores are made on an accelerator."""
    image = np.full((4000, 6000, 3), RED, np.uint8)
    image[2000:, 3000:] = GREEN
    model = colour_model([RED] * 149 + [GREEN], InferenceConfig(crop=1024, stride=1024)).cuda()
    labels = model.predict(image).labels
    assert (labels[2000:, 3000:] == 149).all()
    assert (labels == 149).sum() == 2000 * 3000
