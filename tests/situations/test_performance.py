"""Performance: a compiled model and images of many sizes."""

import numpy as np
import pytest
import torch

from vit_adapter.config import InferenceConfig

from .making import varied_model


@pytest.mark.slow
def test_s81_compiled_model_meets_photos_of_many_sizes():
    """Backbone and head can be compiled, for one window and for several: both of one size."""
    compilations = []

    def counting(graph, examples):
        compilations.append(len(examples))
        return graph.forward

    torch._dynamo.reset()
    sizes = [(33 + 2 * (7 * i % 30), 34 + 2 * (11 * i % 30)) for i in range(30)]
    assert len(set(sizes)) == 30
    draws = np.random.default_rng(0)
    photos = [draws.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    model = varied_model(protocol=InferenceConfig(crop=64, stride=64))
    expected = [model.predict(photo).labels for photo in photos]
    model.backbone.compile(backend=counting)
    model.head.compile(backend=counting)
    for photo, labels in zip(photos, expected, strict=True):
        assert (model.predict(photo).labels == labels).mean() > 0.999
    assert 2 <= len(compilations) <= 6
