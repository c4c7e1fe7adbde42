"""Published models as data, and where their files are."""

from .datasets import DATASETS, PublishedDataset
from .pretraining import MODEL_LICENCE, PRETRAINED, PretrainedViT
from .recipe import OwnData, Recipe
from .recipes import find_recipe, get_recipe, list_recipes

__all__ = [
    "DATASETS",
    "MODEL_LICENCE",
    "PRETRAINED",
    "OwnData",
    "PretrainedViT",
    "PublishedDataset",
    "Recipe",
    "find_recipe",
    "get_recipe",
    "list_recipes",
]
