"""The crop that is taken where the settings name none."""

from types import SimpleNamespace

import numpy as np
import pytest

from vit_adapter.config import AugmentationConfig
from vit_adapter.data.crop_size import with_crop
from vit_adapter.images import UnreadableImageError
from vit_adapter.zoo import get_recipe


class Images:
    """Images of the given sizes (height, width); None: one that cannot be decoded."""

    def __init__(self, *sizes):
        self.sizes = sizes

    def __len__(self):
        return len(self.sizes)

    def read(self, index):
        if self.sizes[index] is None:
            raise UnreadableImageError("broken")
        return SimpleNamespace(labels=np.zeros(self.sizes[index], np.uint8))


@pytest.mark.parametrize(
    ("sizes", "crop"),
    [
        ([(360, 480)], 352),
        ([(48, 80), (60, 70)], 256),
        ([(4000, 6000)] * 40, 512),
        ([(300, 900), None, (420, 400), (2000, 2000)], 384),
        ([None, None], 512),
    ],
)
def test_the_crop_follows_the_median_image(sizes, crop):
    own_data = get_recipe("own_data").config().data.augmentation
    assert own_data.crop is None
    assert with_crop(own_data, Images(*sizes)).crop == crop  # pyright: ignore


def test_a_crop_or_a_base_size_of_one_s_own_counts():
    images = Images((360, 480))
    assert with_crop(AugmentationConfig(crop=96), images).crop == 96  # pyright: ignore
    settings = AugmentationConfig(crop=None, base_size=(800, 400))
    assert with_crop(settings, images).crop == 384  # pyright: ignore
