"""What a model is made of."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from .errors import InputError
from .values import Checked, number, path


@dataclass(frozen=True)
class Mask2FormerConfig(Checked):
    """Sizes of the Mask2Former head (published: see ``golden`` recipes; item 19 of its behaviours).

    Attributes:
        queries: Number of object queries.
        channels: Width of pixel decoder, transformer decoder and mask features; a multiple of 32.
        heads: Attention heads of both decoders.
        encoder_layers: Deformable encoder layers of the pixel decoder.
        decoder_layers: Layers of the transformer decoder.
        encoder_feedforward: Hidden width of the pixel decoder's feed-forward part.
        decoder_feedforward: Hidden width of the transformer decoder's feed-forward part.
        grad_checkpointing: Recompute the feed-forward parts in the backward pass; saves memory.
    """

    section: ClassVar[str] = "model.mask2former"

    queries: int = number(100, at_least=1)
    channels: int = number(256, at_least=1)
    heads: int = number(8, at_least=1)
    encoder_layers: int = number(6, at_least=1)
    decoder_layers: int = number(9, at_least=1)
    encoder_feedforward: int = number(1024, at_least=1)
    decoder_feedforward: int = number(2048, at_least=1)
    grad_checkpointing: bool = False


@dataclass(frozen=True)
class ModelConfig(Checked):
    """A segmentation model: plain ViT, adapter and head.

    Attributes:
        vit: Name of a timm model of the families VisionTransformer, Beit or Eva, or "uniperceiver_large".
        vit_options: Constructor settings that timm's model of that name shall take instead of its own, such
            as ``{"depth": 4, "embed_dim": 96, "num_heads": 3}`` for a tiny model.
        pretrained: True: timm's weights; a path: a file on disk; False: random weights.
        on_mismatch: "error": a weight of another shape stops; "keep": the model keeps its own (published
            behaviour).
        backbone: "adapter"; "pyramid": the ViT alone, its stage maps resampled; "beit_pyramid": the published
            plain BEiT baseline with convolutions from single blocks.
        interaction_indexes: First and last ViT block (inclusive, from 0) of every interaction; None: the depth
            cut in four.
        injectors: False: the ViT is only read (DINOv3's form).
        deform_heads: Heads of the adapter's deformable attention; None: as published for the width.
        deform_ratio: Width of the sampled values relative to the ViT's; None: as published for the width.
        prefix_tokens: Keep class and register tokens in the blocks; None: as published for the family.
        deform_points: Sampling points per head and level.
        cffn_ratio: Hidden width of the convolutional feed-forward relative to the ViT's; None: none.
        conv_inplanes: Width of the spatial prior's stem.
        injector_init: Start value of the injectors' gamma.
        layer_scale: Start value of the ViT's layer scales; None: as published.
        no_layer_scale: Build the ViT's blocks without layer scales where the loaded model has none.
        window_sizes: Side of the attention window of every block in tokens, None for global attention.
        add_vit_feature: Add the ViT's own stage maps to the pyramid.
        final_norm: Read the ViT's stages through its final layer norm (DINOv3's form).
        extra_extractors: Two further extractors in the last interaction.
        drop_path_rate: Stochastic depth, 0..1; grows linearly over the ViT's blocks.
        frozen: "vit", or True for short: train adapter and head only.
        norm: "batch", or "group" for batches of one.
        patch_resample: How patches of another size than 16 become 16: "bilinear" or "flexi".
        grad_checkpointing: Recompute ViT blocks and interactions in the backward pass.
        in_chans: Channels of the input picture.
        img_size: Side in pixels of the position tables; None: the ViT's own.
        out_indices: Blocks whose outputs the "beit_pyramid" takes, from 0.
        head: "upernet", "fcn" or "mask2former".
        head_channels: Width of the UperNet head.
        pool_scales: Grid sides of the pyramid pooling.
        dropout: Channel dropout before the class scores, 0..1.
        auxiliary: An FCN head on the stride-16 map that helps training (UperNet only).
        auxiliary_channels: Its width.
        auxiliary_weight: Weight of its loss.
        mask2former: Sizes of the Mask2Former head.
    """

    section: ClassVar[str] = "model"

    vit: str = "vit_small_patch14_dinov2"
    vit_options: dict[str, int | float | bool | str] | None = None
    pretrained: bool | str = path(True)
    on_mismatch: Literal["error", "keep"] = "error"
    backbone: Literal["adapter", "pyramid", "beit_pyramid"] = "adapter"
    interaction_indexes: list[tuple[int, int]] | None = number(None, at_least=0)
    injectors: bool = True
    deform_heads: int | None = number(None, at_least=1)
    deform_ratio: float | None = number(None, above=0)
    prefix_tokens: bool | None = None
    deform_points: int = number(4, at_least=1)
    cffn_ratio: float | None = number(0.25, above=0)
    conv_inplanes: int = number(64, at_least=1)
    injector_init: float = 0.0
    layer_scale: float | None = None
    no_layer_scale: bool = False
    window_sizes: list[int | None] | None = number(None, at_least=1)
    add_vit_feature: bool = True
    final_norm: bool = False
    extra_extractors: bool = True
    drop_path_rate: float = number(0.1, at_least=0, below=1)
    frozen: Literal["vit"] | bool | None = None
    norm: Literal["batch", "group"] = "batch"
    patch_resample: Literal["bilinear", "flexi"] = "bilinear"
    grad_checkpointing: bool = False
    in_chans: int = number(3, at_least=1)
    img_size: int | None = number(None, at_least=1)
    out_indices: tuple[int, ...] = number((7, 11, 15, 23), at_least=0)
    head: Literal["upernet", "fcn", "mask2former"] = "upernet"
    head_channels: int = number(512, at_least=1)
    pool_scales: tuple[int, ...] = number((1, 2, 3, 6), at_least=1)
    dropout: float = number(0.1, at_least=0, below=1)
    auxiliary: bool = True
    auxiliary_channels: int = number(256, at_least=1)
    auxiliary_weight: float = number(0.4, at_least=0)
    mask2former: Mask2FormerConfig = Mask2FormerConfig()

    def __post_init__(self) -> None:
        """Refuses what does not fit; ``frozen=True`` becomes "vit"."""
        super().__post_init__()
        object.__setattr__(self, "frozen", frozen_part(self.frozen))


def frozen_part(frozen: object) -> Literal["vit"] | None:
    """The part of a model that is not trained: True stands for "vit", False for None.

    Raises:
        InputError: Another part is named.
    """
    if frozen in (None, False):
        return None
    if frozen in (True, "vit"):
        return "vit"
    raise InputError(f"frozen={frozen!r}: expected 'vit' or True, None or False")
