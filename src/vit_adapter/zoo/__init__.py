"""Published models as data, and where their files are."""

from .datasets import DATASETS, PublishedDataset
from .demo import DEMO_STEPS, demo_config
from .pretraining import MODEL_LICENCE, PRETRAINED, PretrainedViT
from .recipe import OwnData, Recipe
from .recipes import find_recipe, get_recipe, list_recipes

__all__ = [
    "DATASETS",
    "DEMO_STEPS",
    "MODEL_LICENCE",
    "PRETRAINED",
    "OwnData",
    "PretrainedViT",
    "PublishedDataset",
    "Recipe",
    "demo_config",
    "find_recipe",
    "get_recipe",
    "list_recipes",
]
