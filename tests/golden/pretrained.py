"""A ViT's published file loaded as users load it: ``ViTAdapter(name, pretrained=FILE)``."""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vit_adapter.backbones import ViTAdapter
from vit_adapter.backbones.vit import build_vit
from vit_adapter.config import ViTConfig
from vit_adapter.weights.official import DERIVED, official_name
from vit_adapter.weights.report import LoadReport

PLAIN, BEIT, UNIPERCEIVER = "vit_base_patch16_224", "beit_base_patch16_224", "uniperceiver_large"
_PREFIX = "backbone.vit."


class Loaded:
    """A backbone built with a file, and what its report says, under official names.

    Args:
        file: The weights file.
        name: The ViT.
        options: Constructor settings of the ViT.
        settings: Further fields of ``ViTConfig``.

    Attributes:
        state: Tensors of the ViT.
        start: What the same ViT holds before the file is loaded.
        report: As the backbone gives it, in its own names.
    """

    def __init__(self, file: Path, name: str, options: Mapping[str, Any], **settings: Any) -> None:
        config = ViTConfig(name=name, options=dict(options), pretrained=False, **settings)
        torch.manual_seed(0)
        self.start = official(build_vit(config).wrapper.vit.state_dict())
        torch.manual_seed(0)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*is a no-op.*")  # sizes alone, on the meta device
            backbone = ViTAdapter(
                config,
                pretrained=str(file),
                interaction_indexes=[(0, options["depth"] - 1)],
                add_vit_feature=False,
                deform_heads=1,
                conv_inplanes=4,
            )
        assert backbone.load_report is not None
        self.report: LoadReport = backbone.load_report
        self.state = official(backbone.vit.state_dict())

    @property
    def used(self) -> set[str]:
        """Entries that got values from the file."""
        return names([*self.report.loaded, *self.report.resampled, *self.report.broadcast])

    @property
    def untouched(self) -> set[str]:
        """Entries that kept their own values."""
        return names([*self.report.kept, *self.report.new])


def names(entries: Iterable[str]) -> set[str]:
    """Official names of entries of the ViT."""
    return {official_name(_PREFIX + name).removeprefix("backbone.") for name in entries}


def official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Entries of the ViT under official names."""
    return {official_name(_PREFIX + name).removeprefix("backbone."): value for name, value in state.items()}


def without_indexes(entries: Iterable[str]) -> set[str]:
    """Names without the index buffers, which follow from a table's size and which our models do not hold."""
    return {name for name in entries if name.rpartition(".")[2] != DERIVED}
