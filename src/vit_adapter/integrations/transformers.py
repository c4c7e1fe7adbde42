"""A backbone in the form of Hugging Face ``transformers``, inside its UperNet, Mask2Former and others.

Importing this module makes "vit_adapter" a model type of ``AutoConfig`` and ``AutoBackbone``.
"""

from dataclasses import asdict, field
from typing import Any

from torch import Tensor, nn
from transformers import AutoBackbone, AutoConfig, PretrainedConfig, PreTrainedModel
from transformers.backbone_utils import BackboneConfigMixin, BackboneMixin
from transformers.modeling_outputs import BackboneOutput

from vit_adapter.backbones import ViTAdapter
from vit_adapter.config import InputError, ViTConfig

STAGES = ["stride4", "stride8", "stride16", "stride32"]
"""Names of the maps, which ``out_features`` picks from."""


class ViTAdapterBackboneConfig(BackboneConfigMixin, PretrainedConfig):
    """What builds a ``ViTAdapterBackbone``; goes into ``backbone_config`` of a model.

    Attributes:
        vit: Fields of ``ViTConfig``: ``{"name": "vit_small_patch14_dinov2", "pretrained": True}``. Models that
            ``from_pretrained`` fills must not load them twice: saved configurations say ``pretrained`` False.
        adapter: Fields of ``AdapterConfig``, such as ``{"injectors": False}``.
        out_features: Names of the maps wanted, of "stride4", "stride8", "stride16", "stride32"; all by default.
    """

    model_type = "vit_adapter"

    vit: dict[str, Any] = field(default_factory=dict)
    adapter: dict[str, Any] = field(default_factory=dict)
    _out_features: list[str] | None = None
    _out_indices: list[int] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        self.stage_names = STAGES
        wanted, indices = kwargs.pop("out_features", None), kwargs.pop("out_indices", None)
        self.set_output_features_output_indices(
            out_features=STAGES if wanted is None and indices is None else wanted, out_indices=indices
        )
        super().__post_init__(**kwargs)


class ViTAdapterBackbone(BackboneMixin, PreTrainedModel):
    """``ViTAdapter`` as ``transformers`` wants a backbone: ``backbone(images).feature_maps``.

    Args:
        config: See ``ViTAdapterBackboneConfig``.

    Raises:
        InputError: The settings do not fit; see ``ViTAdapter``.
    """

    config_class = ViTAdapterBackboneConfig
    base_model_prefix = "adapter"
    main_input_name = "pixel_values"
    has_attentions = False

    def __init__(self, config: ViTAdapterBackboneConfig) -> None:
        super().__init__(config)
        self._build(ViTAdapter(ViTConfig(**{"pretrained": False, **config.vit}), **config.adapter))

    @classmethod
    def of(cls, backbone: nn.Module) -> "ViTAdapterBackbone":
        """Takes a ``ViTAdapter`` that stands, with its weights; it becomes a part of the result.

        Raises:
            InputError: It is another backbone, or its ViT was given as a module, so that no configuration builds it.
        """
        if not isinstance(backbone, ViTAdapter) or backbone.vit_config is None:
            raise InputError(
                f"{type(backbone).__name__}: expected a ViTAdapter whose ViT was given by its name, so that it can be "
                "built from a configuration again"
            )
        adapter = {name: value for name, value in asdict(backbone.config).items() if name != "kind"}
        config = ViTAdapterBackboneConfig(
            vit=asdict(backbone.vit_config), adapter={**adapter, "norm": backbone.norm}
        )
        made = cls.__new__(cls)
        super(ViTAdapterBackbone, made).__init__(config)
        made._build(backbone)
        return made

    def _build(self, backbone: ViTAdapter) -> None:
        self.adapter = backbone
        self.num_features = list(backbone.channels)
        self.config.vit = {
            **self.config.vit,
            "pretrained": False,
        }  # the weights are here, and are saved with it
        self.post_init()

    def _init_weights(self, module: Any) -> None:
        """Nothing: ``ViTAdapter`` initialises itself, as published."""

    def forward(self, pixel_values: Tensor, **_: Any) -> BackboneOutput:
        """The pyramid.

        Args:
            pixel_values: Normalised images [B, C, H, W], sides multiples of 32.

        Returns:
            ``feature_maps``: those of ``out_features``, [B, D, H/4, W/4] to [B, D, H/32, W/32].
        """
        maps = dict(zip(STAGES, self.adapter(pixel_values)))
        return BackboneOutput(feature_maps=tuple(maps[name] for name in self.out_features))


AutoConfig.register(ViTAdapterBackboneConfig.model_type, ViTAdapterBackboneConfig, exist_ok=True)
AutoBackbone.register(ViTAdapterBackboneConfig, ViTAdapterBackbone, exist_ok=True)
