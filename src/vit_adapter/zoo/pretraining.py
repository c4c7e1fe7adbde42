"""Where pretrained ViTs come from, and under which licence."""

from dataclasses import dataclass

_RELEASES = "https://github.com/czczup/ViT-Adapter/releases/download"
_BEIT = "https://conversationhub.blob.core.windows.net/beit-share-public"
_DINOV2 = "https://dl.fbaipublicfiles.com/dinov2"
_DEIT = "https://dl.fbaipublicfiles.com/deit"

DINOV3_LICENCE = "DINOv3 License"
MODEL_LICENCE = "Apache-2.0"
"""Licence of the published ViT-Adapter checkpoints; that of the pretrained ViT holds beside it."""


@dataclass(frozen=True)
class PretrainedViT:
    """A pretrained plain ViT.

    Attributes:
        label: Its short name.
        timm_name: The same weights in timm, which downloads them by itself; None: not there.
        url: Address of the official file; None: behind a form or spread over several pages, see ``homepage``.
        licence: Of the weights.
        homepage: Page of the authors.
    """

    label: str
    timm_name: str | None
    url: str | None
    licence: str
    homepage: str

    @property
    def file(self) -> str | None:
        """Name of the official file."""
        return None if self.url is None else self.url.rpartition("/")[2]


_DEIT_PAGE = "https://github.com/facebookresearch/deit"
_AUGREG_PAGE = "https://github.com/google-research/vision_transformer"
_BEIT_PAGE = "https://github.com/microsoft/unilm/tree/master/beit"
_BEIT2_PAGE = "https://github.com/microsoft/unilm/tree/master/beit2"
_UNIPERCEIVER_PAGE = "https://github.com/fundamentalvision/Uni-Perceiver"
_AUGREG = "imagenet2012-steps_20k"

PRETRAINED: dict[str, PretrainedViT] = {
    "deit_tiny": PretrainedViT(
        "DeiT-T",
        "deit_tiny_patch16_224.fb_in1k",
        f"{_DEIT}/deit_tiny_patch16_224-a1311bcf.pth",
        "Apache-2.0",
        _DEIT_PAGE,
    ),
    "deit_small": PretrainedViT(
        "DeiT-S",
        "deit_small_patch16_224.fb_in1k",
        f"{_DEIT}/deit_small_patch16_224-cd65a155.pth",
        "Apache-2.0",
        _DEIT_PAGE,
    ),
    "deit_base": PretrainedViT(
        "DeiT-B",
        "deit_base_patch16_224.fb_in1k",
        f"{_DEIT}/deit_base_patch16_224-b5f2ef4d.pth",
        "Apache-2.0",
        _DEIT_PAGE,
    ),
    "augreg_tiny": PretrainedViT(
        "AugReg-T",
        "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
        f"{_RELEASES}/v0.3.1/Ti_16-i21k-300ep-lr_0.001-aug_none-wd_0.03-do_0.0-sd_0.0--{_AUGREG}-lr_0.03-res_224.pth",
        "Apache-2.0",
        _AUGREG_PAGE,
    ),
    "augreg_base": PretrainedViT(
        "AugReg-B",
        "vit_base_patch16_384.augreg_in21k_ft_in1k",
        f"{_RELEASES}/v0.3.1/B_16-i21k-300ep-lr_0.001-aug_medium1-wd_0.1-do_0.0-sd_0.0--{_AUGREG}-lr_0.01-res_384.pth",
        "Apache-2.0",
        _AUGREG_PAGE,
    ),
    "augreg_large": PretrainedViT(
        "AugReg-L",
        "vit_large_patch16_384.augreg_in21k_ft_in1k",
        f"{_RELEASES}/v0.1.6/L_16-i21k-300ep-lr_0.001-aug_medium1-wd_0.1-do_0.1-sd_0.1--{_AUGREG}-lr_0.01-res_384.pth",
        "Apache-2.0",
        _AUGREG_PAGE,
    ),
    "beit_base": PretrainedViT(
        "BEiT-B",
        "beit_base_patch16_224.in22k_ft_in22k",
        f"{_BEIT}/beit/beit_base_patch16_224_pt22k_ft22k.pth",
        "MIT",
        _BEIT_PAGE,
    ),
    "beit_large": PretrainedViT(
        "BEiT-L",
        "beit_large_patch16_224.in22k_ft_in22k",
        f"{_BEIT}/beit/beit_large_patch16_224_pt22k_ft22k.pth",
        "MIT",
        _BEIT_PAGE,
    ),
    "beitv2_large": PretrainedViT(
        "BEiTv2-L",
        "beitv2_large_patch16_224.in1k_ft_in22k",
        f"{_BEIT}/beitv2/beitv2_large_patch16_224_pt1k_ft21k.pth",
        "MIT",
        _BEIT2_PAGE,
    ),
    "uniperceiver_large": PretrainedViT(
        "Uni-Perceiver-L",
        None,
        f"{_RELEASES}/v0.3.1/uni-perceiver-large-L24-H1024-224size-pretrained_converted.pth",
        "Apache-2.0",
        _UNIPERCEIVER_PAGE,
    ),
    # Not of a published recipe here, but loaded by the same means.
    **{
        f"dinov2_{size}": PretrainedViT(
            f"DINOv2-{size[0].upper()}",
            f"vit_{size}_patch14_dinov2.lvd142m",
            f"{_DINOV2}/dinov2_vit{size[0]}14/dinov2_vit{size[0]}14_pretrain.pth",
            "Apache-2.0",
            "https://github.com/facebookresearch/dinov2",
        )
        for size in ("small", "base", "large")
    },
    **{
        f"dinov3_{size}": PretrainedViT(
            f"DINOv3-{'7B' if size == '7b' else size[0].upper()}",
            f"vit_{size}_patch16_dinov3.lvd1689m",
            None,
            DINOV3_LICENCE,
            "https://github.com/facebookresearch/dinov3",
        )
        for size in ("small", "base", "large", "7b")
    },
    "eva02_small": PretrainedViT(
        "EVA-02-S",
        "eva02_small_patch14_224.mim_in22k",
        None,
        "MIT",
        "https://github.com/baaivision/EVA/tree/master/EVA-02",
    ),
    "mae_base": PretrainedViT(
        "MAE-B",
        "vit_base_patch16_224.mae",
        "https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_base.pth",
        "CC-BY-NC-4.0",
        "https://github.com/facebookresearch/mae",
    ),
}
"""By a key that recipes use."""
