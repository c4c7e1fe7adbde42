"""Frozen dataclasses with ranges and units. No torch here: ``--help`` answers at once, every room may read them."""

from .backbone import AdapterConfig, BackboneConfig, BeitPyramidConfig, BlockPyramidConfig, PyramidConfig
from .class_table import ClassTable
from .data import MAX_PIXELS, AugmentationConfig, DataConfig, PipelineName
from .detection_head import ATSSConfig, GFLConfig, SparseRCNNConfig
from .errors import InputError
from .evaluation import EvaluationConfig, Precision
from .head import FCNConfig, HeadConfig, Mask2FormerConfig, UPerNetConfig
from .model import ModelConfig
from .objects import ObjectConfig
from .plain import from_plain, to_plain
from .protocol import InferenceConfig, Normalization, changed_protocol
from .run import RunConfig
from .task import ScoresAre, TaskName
from .training import TrainingConfig
from .two_stage_head import CascadeConfig, HTCConfig, MaskRCNNConfig
from .vit import ViTConfig, ViTSettings

__all__ = [
    "MAX_PIXELS",
    "ATSSConfig",
    "AdapterConfig",
    "AugmentationConfig",
    "BackboneConfig",
    "BeitPyramidConfig",
    "BlockPyramidConfig",
    "CascadeConfig",
    "ClassTable",
    "DataConfig",
    "EvaluationConfig",
    "FCNConfig",
    "GFLConfig",
    "HTCConfig",
    "HeadConfig",
    "InferenceConfig",
    "InputError",
    "Mask2FormerConfig",
    "MaskRCNNConfig",
    "ModelConfig",
    "Normalization",
    "ObjectConfig",
    "PipelineName",
    "Precision",
    "PyramidConfig",
    "RunConfig",
    "ScoresAre",
    "SparseRCNNConfig",
    "TaskName",
    "TrainingConfig",
    "UPerNetConfig",
    "ViTConfig",
    "ViTSettings",
    "changed_protocol",
    "from_plain",
    "to_plain",
]
