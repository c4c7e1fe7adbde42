"""What ``help`` says of the backbones: every argument is explained, though each is described in one place."""

import inspect
from dataclasses import fields

import pytest

from vit_adapter import ViTAdapter, ViTPyramid
from vit_adapter.config import AdapterConfig, ViTConfig, ViTSettings


@pytest.mark.parametrize(
    ("backbone", "sections"), [(ViTAdapter, [AdapterConfig, ViTConfig]), (ViTPyramid, [ViTConfig])]
)
def test_every_argument_is_explained(backbone, sections):
    text = inspect.getdoc(backbone)
    arguments = (
        set(inspect.signature(backbone).parameters) - {"vit_settings"} | ViTSettings.__annotations__.keys()
    )
    missing = [name for name in arguments if f"\n    {name}: " not in text]
    assert not missing
    for section in sections:
        for name in {field.name for field in fields(section)} - {"kind"}:
            assert f"\n    {name}: " in text
