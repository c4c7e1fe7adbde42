"""Names of ViTs as people write them, and timm's."""

import difflib
import re

import timm

from vit_adapter.config import InputError

UNIPERCEIVER = "uniperceiver_large"
_FAMILIES = ["vision_transformer", "beit", "eva"]
_SIZES = {"t": "tiny", "s": "small", "b": "base", "l": "large", "h": "huge", "g": "giant"}

# The authors' own names, in lower case with "_" for "-" and without the owner of a hub repository; and timm's.
_PATTERNS = (
    (r"dinov2_vit([sblg])14", "vit_{}_patch14_dinov2"),
    (r"dinov2_vit([sblg])14_reg", "vit_{}_patch14_reg4_dinov2"),
    (r"dinov2_(small|base|large|giant)", "vit_{}_patch14_dinov2"),
    (r"dinov2_with_registers_(small|base|large|giant)", "vit_{}_patch14_reg4_dinov2"),
    (r"dinov3_vit(s|b|l|h|7b)16(plus)?(?:_pretrain_lvd1689m)?", "vit_{}_patch16_dinov3"),
    (r"dinov3_vit(l|7b)16_pretrain_sat493m", "vit_{}_patch16_dinov3.sat493m"),
    (r"dinov3_(small|base|large|7b|small_plus|huge_plus)", "vit_{}_patch16_dinov3"),
    (r"dino_vit([sb])(8|16)", "vit_{}_patch{}_224.dino"),
    (r"mae_vit_(base|large)_patch16|vit_mae_(base|large)", "vit_{}_patch16_224.mae"),
    (r"mae_vit_(huge)_patch14|vit_mae_(huge)", "vit_{}_patch14_224.mae"),
)
# The same architectures with weights of somebody else: suggested as similar, never substituted.
_OTHER_WEIGHTS = ((r"vit_([blh])_(16|32|14)", "vit_{}_patch{}_224"),)
_OWNERS = ("timm", "facebook", "microsoft")
"""Whose hub repositories hold the weights that timm has under the same name."""


def timm_name(name: str) -> str:
    """Timm's name of a ViT that is named as its authors, the hub or torchvision do.

    Known are timm's names, also after ``timm/`` and ``hf_hub:timm/``, with hyphens or in capitals; and
    ``dinov2_vits14``, ``facebook/dinov2-small``, ``dinov3-base``, ``dino_vits16``, ``mae_vit_base_patch16`` and their
    like: always the same weights under another name.

    Args:
        name: As it was written.

    Returns:
        A name that timm knows, with the tag of its weights if one was given; or "uniperceiver_large".

    Raises:
        InputError: There is no such ViT, or no weights of that tag; the message names near ones.
    """
    plain = name.strip()
    plain = re.sub(r"^(hf[-_]hub:|timm:)", "", plain)
    if plain == UNIPERCEIVER or _exists(plain):
        return plain
    owner, slash, rest = plain.partition("/")
    spelled = (rest if slash else plain).lower().replace("-", "_")
    if slash and owner.lower() not in _OWNERS:
        raise InputError(f"vit={name!r}: only ViTs that timm has can be built{_near(spelled)}")
    for candidate in (rest, spelled, *_by_pattern(spelled, _PATTERNS)):
        if candidate == UNIPERCEIVER or _exists(candidate):
            return candidate
    family, dot, tag = spelled.partition(".")
    if dot and timm.is_model(family):
        raise InputError(f"vit={name!r}: timm has no weights {tag!r} of {family}; {_tags(family, tag)}")
    raise InputError(f"vit={name!r} is not a timm model{_near(spelled)}")


def _exists(name: str) -> bool:
    """Whether timm knows model and tag."""
    if not timm.is_model(name):
        return False
    return "." not in name or name.split(".", 1)[1] in _known_tags(name.split(".", 1)[0])


def _known_tags(family: str) -> list[str]:
    names = timm.list_models(f"{family}.*", pretrained=True)
    return [known.split(".", 1)[1] for known in names if known.startswith(f"{family}.")]


def _tags(family: str, tag: str) -> str:
    tags = _known_tags(family)
    if not tags:
        return "it has none"
    tags.sort(key=lambda known: -difflib.SequenceMatcher(None, known, tag).ratio())
    return f"expected {', '.join(f'{family}.{known}' for known in tags)}"


def _by_pattern(name: str, patterns: tuple[tuple[str, str], ...]) -> list[str]:
    found = []
    for pattern, timms in patterns:
        match = re.fullmatch(pattern, name)
        if match:
            size, *more = [part for part in match.groups() if part is not None]
            size = _SIZES.get(size, size)
            if more == ["plus"]:
                size, more = f"{size}_plus", []
            found.append(timms.format(size, *more))
    return found


def _near(name: str) -> str:
    known = [*timm.list_models(module=_FAMILIES), UNIPERCEIVER]
    family = name.split(".")[0]
    same = [model for model in _by_pattern(family, _OTHER_WEIGHTS) if model in known]
    same += [family] if family in known else []
    near = same or difflib.get_close_matches(family, known, n=3, cutoff=0.5)
    words = [word for word in re.split(r"[_\W]+", family) if word]
    if words and not near:
        near = [model for model in known if all(word in model for word in words)][:3]
    return f"; near: {', '.join(near)}" if near else "; take one such as vit_small_patch14_dinov2"
