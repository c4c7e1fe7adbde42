"""The plain ViT inside a backbone."""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypedDict

from .values import Checked, number, path


@dataclass(frozen=True)
class ViTConfig(Checked):
    """Which ViT, its weights, and how it runs.

    Attributes:
        name: A timm model of the families VisionTransformer, Beit or Eva, or "uniperceiver_large".
        options: Constructor settings that the model of that name takes instead of its own, such as
            ``{"depth": 4, "embed_dim": 96, "num_heads": 3}`` for a tiny model, or ``{"img_size": [512, 1024]}``.
        pretrained: True: timm's weights; a path: a file on disk; False: random weights.
        on_mismatch: What happens to a weight of another shape: "error" stops; "keep" leaves it out (or, in a
            plain ViT, spreads a single value or row over it), named in the report (published behaviour).
        img_size: Side in pixels of the images that the position table is made for; None: the ViT's own.
        in_chans: Channels of the images.
        prefix_tokens: Keep class and register tokens in the blocks; None: as published for the family.
        layer_scale: Start value of the layer scales; None: as published (1 where a plain ViT has none).
        no_layer_scale: Build the blocks without layer scales.
        window_sizes: Side of the attention window of every block in tokens, None for global attention. A BEiT without
            class token has a relative position table for the window of each block.
        final_norm: Read the stages through the final layer norm, as DINOv3's adapter does; the blocks continue with the
            tokens as they are.
        drop_path_rate: Stochastic depth, 0..1; grows linearly over the blocks.
        frozen: "vit", or True for short: the ViT stays in evaluation mode and its weights get no gradients.
        keep_patch_size: Leave patches of another size than 16 as they are: the grid of the ViT then has a stride of
            its own, and images need sides that are multiples of it, too.
        patch_resample: How patches of another size than 16 become 16: "bilinear" as published, "flexi":
            pseudo-inverse.
        rotary_rescale: In training, coordinates of DINOv3's rotary positions are multiplied by a factor between
            1 / this and this, drawn for every block (2 in its pretraining); None: never. A frozen ViT draws none.
        pretraining_parts: What DINOv3's files hold for its pretraining alone and nothing reads: "mask_token", and in
            the 7B "local_cls_norm". Where they are named the model holds them, so that files and numbers of
            parameters are the published ones.
        grad_checkpointing: Recompute blocks (and the adapter's interactions) in the backward pass; saves memory.
    """

    section: ClassVar[str] = "model.vit"

    name: str = "vit_small_patch14_dinov2"
    options: dict[str, int | float | bool | str | list[int]] | None = None
    pretrained: bool | str = path(True)
    on_mismatch: Literal["error", "keep"] = "error"
    img_size: int | None = number(None, at_least=1)
    in_chans: int = number(3, at_least=1)
    prefix_tokens: bool | None = None
    layer_scale: float | None = None
    no_layer_scale: bool = False
    window_sizes: list[int | None] | None = number(None, at_least=1)
    final_norm: bool = False
    drop_path_rate: float = number(0.1, at_least=0, below=1)
    frozen: Literal["vit"] | bool | None = None
    keep_patch_size: bool = False
    patch_resample: Literal["bilinear", "flexi"] = "bilinear"
    rotary_rescale: float | None = number(None, at_least=1)
    pretraining_parts: tuple[Literal["mask_token", "local_cls_norm"], ...] = ()
    grad_checkpointing: bool = False

    def __post_init__(self) -> None:
        """Refuses what does not fit; ``frozen=True`` becomes "vit", False becomes None."""
        super().__post_init__()
        if isinstance(self.frozen, bool):
            object.__setattr__(self, "frozen", "vit" if self.frozen else None)


class ViTSettings(TypedDict, total=False):
    """The fields of ``ViTConfig`` as keyword arguments of a backbone; ``pretrained`` is False where it is not given."""

    options: dict[str, int | float | bool | str | list[int]] | None
    pretrained: bool | str
    on_mismatch: Literal["error", "keep"]
    img_size: int | None
    in_chans: int
    prefix_tokens: bool | None
    layer_scale: float | None
    no_layer_scale: bool
    window_sizes: list[int | None] | None
    final_norm: bool
    drop_path_rate: float
    frozen: Literal["vit"] | bool | None
    keep_patch_size: bool
    patch_resample: Literal["bilinear", "flexi"]
    rotary_rescale: float | None
    pretraining_parts: tuple[Literal["mask_token", "local_cls_norm"], ...]
    grad_checkpointing: bool
