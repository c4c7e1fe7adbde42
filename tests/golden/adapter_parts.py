"""The adapter's parts alone: spatial prior, injector, extractor, one interaction around two blocks."""

from functools import partial
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from vit_adapter.backbones.interaction import Extractor, Injector, Interaction, pixel_centres
from vit_adapter.backbones.spatial_prior import SpatialPrior
from vit_adapter.backbones.vit.plain import PlainWrapper
from vit_adapter.config import ViTConfig

from .case import Case
from .running import run_module

Size = tuple[int, int]


def run_spatial_prior(case: Case) -> None:
    """A map at stride 4, tokens at strides 8, 16 and 32."""
    module = SpatialPrior(case.config["inplanes"], case.config["embed_dim"])
    run_module(
        case,
        module,
        "spatial_prior",
        lambda: dict(zip(("c1", "c2", "c3", "c4"), module(case.inputs["image"]), strict=True)),
    )


def run_injector(case: Case) -> None:
    """The ViT's tokens query the prior's."""
    module = _injector(case.config)
    grids = _grids(case)
    _check_shapes(case, grids)
    run_module(
        case,
        module,
        "injector",
        lambda: {"out": module(case.inputs["query"], case.inputs["feat"], _reference(case), grids)},
    )


def run_extractor(case: Case) -> None:
    """The prior's tokens query the ViT's."""
    module = _extractor(case.config, case.config["drop_path"])
    grids = _grids(case)
    _check_shapes(case, grids[1:2])
    run_module(
        case,
        module,
        "extractor",
        lambda: {"out": module(case.inputs["query"], case.inputs["feat"], _reference(case), grids[1], grids)},
    )


def run_interaction(case: Case) -> None:
    """Injector, two blocks, extractors; with a class token in front of the blocks where one is given."""
    config = case.config
    stage = _Stage(config)
    case.weights, case.grads = _as_in_a_backbone(case.weights), _as_in_a_backbone(case.grads)
    grids, inputs = _grids(case), case.inputs

    def forward() -> dict[str, Tensor]:
        tokens, prior, prefix = stage(inputs["x"], inputs["c"], inputs.get("cls"), grids)
        return {"x": tokens, "c": prior, "cls": prefix}

    run_module(case, stage, "backbone", forward)


class _Stage(nn.Module):
    """One interaction and the blocks in it, named as in a backbone."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        blocks = config["blocks"]
        assert not blocks["windowed"]
        assert not blocks["drop_path"]
        vit = VisionTransformer(
            img_size=16,
            embed_dim=blocks["dim"],
            depth=blocks["count"],
            num_heads=blocks["num_heads"],
            mlp_ratio=blocks["mlp_ratio"],
            qkv_bias=blocks["qkv_bias"],
            num_classes=0,
        )
        # A wrapper that keeps the class token hands over whatever stands in front of the grid.
        self.wrapper = PlainWrapper(vit, ViTConfig(prefix_tokens=True))
        self.wrapper.set_layer_scale(1.0 if blocks["layer_scale"] else None, remove=not blocks["layer_scale"])
        self.vit = nn.Module()
        self.vit.blocks = self.wrapper.blocks
        extractor = partial(_extractor, config, config["drop_path"])
        extra = [extractor() for _ in range(config["extra_extractor_count"])]
        self.interactions = nn.ModuleList([Interaction(_injector(config), extractor(), extra)])

    def forward(
        self, grid: Tensor, prior: Tensor, prefix: Tensor | None, grids: list[Size]
    ) -> tuple[Tensor, Tensor, Tensor]:
        interaction: Any = self.interactions[0]
        grid = interaction.inject(grid, prior, pixel_centres(grids[1:2]), grids)
        if prefix is None:
            # Without a class token the wrapper parts nothing.
            self.wrapper.num_prefix, prefix = 0, grid[:, :0]
        prefix, grid = self.wrapper.run(0, len(self.wrapper.blocks) - 1, prefix, grid, grids[1])
        return grid, interaction.extract(prior, grid, pixel_centres(grids), grids[1], grids), prefix


def _as_in_a_backbone(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Official keys of such a case with the interaction named as the first one of a backbone."""
    return {
        "interactions.0." + name.removeprefix("interaction.")
        if name.startswith("interaction.")
        else name: value
        for name, value in tensors.items()
    }


def _injector(config: dict[str, Any]) -> Injector:
    return Injector(
        config["dim"],
        config["num_heads"],
        config["n_points"],
        config["deform_ratio"],
        config["init_values"],
        partial(nn.LayerNorm, eps=config["norm_eps"]),
    )


def _extractor(config: dict[str, Any], drop_path: float) -> Extractor:
    return Extractor(
        config["dim"],
        config["num_heads"],
        config["n_points"],
        config["deform_ratio"],
        config["cffn_ratio"] if config["with_cffn"] else None,
        drop_path,
        partial(nn.LayerNorm, eps=config["norm_eps"]),
    )


def _grids(case: Case) -> list[Size]:
    height, width = case.config["image"]
    return [(height // stride, width // stride) for stride in (8, 16, 32)]


def _check_shapes(case: Case, grids: list[Size]) -> None:
    assert case.inputs["spatial_shapes"].tolist() == [list(grid) for grid in grids]


def _reference(case: Case) -> Tensor:
    # In the type in which they are recorded, float32 (behaviour 3).
    reference = case.stored_inputs["reference_points"]
    assert reference.dtype == torch.float32
    return reference
