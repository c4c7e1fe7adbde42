"""The files that a run starts from: fetched where a recipe names them, told, and tried before it begins."""

import warnings
from dataclasses import replace

from vit_adapter.config import InputError, RunConfig
from vit_adapter.segmenter import Segmenter
from vit_adapter.weights.files import read_state_dict
from vit_adapter.zoo import PRETRAINED, DetectionRecipe, Recipe, get_recipe
from vit_adapter.zoo.download import download, published_checkpoint

from .fine_tuning import start_from

Published = Recipe | DetectionRecipe

UNIPERCEIVER = "uniperceiver_large"
"""A ViT that timm does not have: its name and its key among the pretrained ones."""


def with_published_files(config: RunConfig, recipe: Published | None, fetch: bool = True) -> RunConfig:
    """A configuration with the files that it starts from, downloaded where timm does not have them.

    Args:
        config: The configuration.
        recipe: The recipe it comes from; None: your own settings.
        fetch: False: name no files.

    Raises:
        InputError: A file is not there and cannot be downloaded; the message says where to put it.
    """
    if recipe is not None and config.data.classes is None:
        config = replace(config, data=replace(config.data, classes=list(recipe.classes().names)))
    if not fetch:
        return config
    if isinstance(recipe, DetectionRecipe) and recipe.start is not None and config.training.init is None:
        raise InputError(
            f"{recipe.name} starts from a whole detector, {recipe.start}; give that file with --init"
        )
    if isinstance(recipe, Recipe) and recipe.start is not None and config.training.init is None:
        # The whole model of another recipe; tensors of another shape (the classifier) start from scratch (behaviour
        # 103).
        start = get_recipe(recipe.start)
        assert isinstance(start, Recipe)
        file = str(published_checkpoint(start))
        config = replace(
            config,
            model=config.model.with_pretrained(False),
            training=replace(config.training, init=file),
        )
    if config.model.vit.name == UNIPERCEIVER and config.model.vit.pretrained is True:
        url = PRETRAINED[UNIPERCEIVER].url
        assert url is not None
        config = replace(config, model=config.model.with_pretrained(str(download(url))))
    return config


def sources(config: RunConfig, recipe: Published | None) -> list[str]:
    """Lines about what a run will start from."""
    pretrained, init = config.model.vit.pretrained, config.training.init
    if init is None and isinstance(recipe, DetectionRecipe) and recipe.start is not None:
        return [f"starts from the whole detector {recipe.start}, to be given with --init"]
    if init is None and recipe is not None and recipe.start is not None:
        start = get_recipe(recipe.start)
        assert isinstance(start, Recipe)
        return [f"starts from the published model {start.name}: {start.checkpoint_url}"]
    if init is not None:
        return [f"starts from {init}"]
    if pretrained is True and config.model.vit.name == UNIPERCEIVER:
        return [f"pretrained ViT: {PRETRAINED[UNIPERCEIVER].url}"]
    return [
        f"pretrained ViT: {config.model.vit.name}, by timm"
        if pretrained is True
        else f"pretrained ViT: {pretrained}"
    ]


def checked_files(model: Segmenter, config: RunConfig, as_published: bool) -> list[str]:
    """Tries the files that a run would start from; gives what ``start_from`` says of them.

    Args:
        model: Without allocated weights.
        config: Everything that the run needs.
        as_published: See ``prepare_model``.

    Raises:
        InputError: A file is not there, cannot be read or does not fit.
    """
    pretrained, init = config.model.vit.pretrained, config.training.init
    if isinstance(pretrained, str):
        read_state_dict(pretrained)
    if init is None:
        return []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*meta parameter.*")  # nothing is to be kept
        return [start_from(model, init, as_published)]
