"""Published models as data, and where their files are."""

from .datasets import DATASETS, PublishedDataset
from .demo import DEMO_STEPS, demo_config
from .detection import find_detection_recipe, list_detection_recipes
from .detection_recipe import DetectionRecipe
from .pretraining import MODEL_LICENCE, PRETRAINED, PretrainedViT
from .recipe import OwnData, Recipe
from .recipes import find_recipe, get_recipe, list_recipes

__all__ = [
    "DATASETS",
    "DEMO_STEPS",
    "MODEL_LICENCE",
    "PRETRAINED",
    "DetectionRecipe",
    "OwnData",
    "PretrainedViT",
    "PublishedDataset",
    "Recipe",
    "demo_config",
    "find_detection_recipe",
    "find_recipe",
    "get_recipe",
    "list_detection_recipes",
    "list_recipes",
]
