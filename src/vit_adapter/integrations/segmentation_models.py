"""A backbone as the encoder of ``segmentation_models_pytorch``, below any of its decoders.

The library addresses encoders by stride 1, 2, 4 ... 32. A pyramid has strides 4 to 32: stride 1 is the image itself, as
in all its encoders, and stride 2 is a map without channels, as in its Mix Transformers, which its decoders know how to
leave out.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import segmentation_models_pytorch as smp
from torch import Tensor, nn

from vit_adapter.backbones.backbone import PlainViTBackbone
from vit_adapter.config import InputError

DEPTH = 5
"""Halvings down to the coarsest map, stride 32."""
STRIDES = (4, 8, 16, 32)
UNFIT = ("DPT", "PAN", "DeepLabV3", "DeepLabV3Plus", "PSPNet")
"""Architectures that want a dilated encoder, its first stages alone, or a plain ViT's tokens."""

Model = TypeVar("Model", bound=nn.Module)


class Encoder(nn.Module):
    """A backbone in the form of the library's encoders.

    Args:
        backbone: ``ViTAdapter``, ``ViTPyramid`` or another one with maps at strides 4, 8, 16 and 32. It becomes a part
            of this module.

    Attributes:
        out_channels: Channels at strides 1, 2, 4, 8, 16 and 32.
        output_stride: 32: sides of images are multiples of it.

    Raises:
        InputError: The backbone has other strides.
    """

    output_stride = 32
    _is_torch_scriptable = False
    _is_torch_exportable = True
    _is_torch_compilable = True

    def __init__(self, backbone: PlainViTBackbone) -> None:
        super().__init__()
        if tuple(backbone.strides) != STRIDES:
            raise InputError(
                f"the backbone has maps at strides {tuple(backbone.strides)}, expected {STRIDES}"
            )
        self.backbone = backbone
        self.out_channels = [backbone.in_chans, 0, *backbone.channels]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Normalised images [B, C, H, W] to six maps [B, C_i, H/2^i, W/2^i], the second one without channels."""
        batch, _, height, width = images.shape
        empty = images.new_empty(batch, 0, height // 2, width // 2)
        return [images, empty, *self.backbone(images)]


def segmentation_model(
    architecture: Callable[..., Model], backbone: PlainViTBackbone, **settings: Any
) -> Model:
    """A model of the library on a backbone of ours.

    Args:
        architecture: The library's class: ``smp.UPerNet``, ``smp.FPN``, ``smp.Segformer``, ``smp.Unet``,
            ``smp.UnetPlusPlus``, ``smp.MAnet`` or ``smp.Linknet``.
        backbone: See ``Encoder``.
        settings: Further arguments of the class: ``classes``, ``decoder_channels``, ``activation`` ...; those about
            the encoder follow from the backbone.

    Returns:
        The model. Its scores have the size of the images, whose sides are multiples of 32.

    Raises:
        InputError: ``settings`` says something about the encoder, or the architecture cannot work on a pyramid that
            begins at stride 4.
    """
    name = getattr(architecture, "__name__", str(architecture))
    if name in UNFIT:
        raise InputError(
            f"{name} cannot work on maps at strides 4, 8, 16 and 32; take UPerNet, FPN, Segformer, Unet, UnetPlusPlus, "
            "MAnet or Linknet"
        )
    taken = {setting for setting in settings if setting.startswith("encoder_") or setting == "in_channels"}
    if taken:
        raise InputError(f"{', '.join(sorted(taken))}: follow from the backbone, leave them out")
    # A name in the library's table of encoders is its only way to take one; it is there while the model is made.
    key = f"vit-adapter {id(backbone)}"
    smp.encoders.encoders[key] = {
        "encoder": lambda **_: _Made(backbone),
        "params": {},
        "pretrained_settings": {},
    }
    try:
        return architecture(key, encoder_weights=None, in_channels=backbone.in_chans, **settings)
    finally:
        del smp.encoders.encoders[key]


class _Made(Encoder):
    """An encoder while the library builds a model around it."""

    def set_in_channels(self, in_channels: int, pretrained: bool = True) -> None:
        """Nothing to do: the backbone was built for these channels."""

    def make_dilated(self, output_stride: int) -> None:
        """Some decoders ask for a finer coarsest map.

        Raises:
            InputError: Always; a pyramid has fixed strides.
        """
        raise InputError(f"an output stride of {output_stride} is asked for; the pyramid ends at stride 32")
