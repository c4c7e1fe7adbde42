"""Published recipes with narrow models: the same parts under the same names, built in an instant."""

from dataclasses import replace

from tiny import changed
from vit_adapter.config import AdapterConfig, Mask2FormerConfig
from vit_adapter.zoo import Recipe
from vit_adapter.zoo.recipes import RECIPES

CROP = 64


def narrow(recipe: Recipe | str, crop: int = CROP) -> Recipe:
    """A recipe with a model of four narrow blocks, or eight for the plain baseline, and crops of ``crop`` pixels."""
    recipe = RECIPES[recipe] if isinstance(recipe, str) else recipe
    depth = 8 if recipe.model.backbone.kind == "beit_pyramid" else 4
    backbone, head = recipe.model.backbone, recipe.model.head
    light = isinstance(backbone, AdapterConfig) and backbone.interaction_indexes is not None
    model = changed(
        recipe.model,
        vit_options={"depth": depth, "embed_dim": 32, "num_heads": 4},
        img_size=crop,
        out_indices=(1, 3, 5, 7),
        deform_heads=4,
        conv_inplanes=8,
        head_channels=16,
        auxiliary_channels=8,
        interaction_indexes=[(0, 3)] if light else None,
        mask2former=replace(
            head,
            queries=6,
            channels=32,
            heads=4,
            encoder_layers=1,
            decoder_layers=3,
            encoder_feedforward=16,
            decoder_feedforward=16,
        )
        if isinstance(head, Mask2FormerConfig)
        else None,
    )
    small = {"resize": (4 * crop, crop), "crop": crop, "stride": crop * 2 // 3}
    return replace(
        recipe,
        model=model,
        augmentation=replace(recipe.augmentation, base_size=(4 * crop, crop), crop=crop),
        protocol=replace(recipe.protocol, **small),
        multi_scale=replace(recipe.multi_scale, **small),
    )
