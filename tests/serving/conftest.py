"""Servers that several tests ask."""

from collections.abc import Iterator

import pytest
from live_server import Client, make_semantic, served

from vit_adapter import Segmenter
from vit_adapter.api.open_model import open_model


@pytest.fixture(scope="session")
def semantic() -> Segmenter:
    """See ``make_semantic``."""
    return make_semantic()


@pytest.fixture(scope="module")
def client(semantic) -> Iterator[Client]:
    """Of a server of the semantic model."""
    with served(open_model(semantic, device="cpu", max_pixels=4_000_000)) as found:
        yield found
