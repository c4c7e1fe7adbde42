"""The model card: what a folder or hub repository says about its model to people."""

from collections.abc import Mapping
from typing import Any

import timm
from huggingface_hub import ModelCardData

from vit_adapter.config import ClassTable, InferenceConfig, ModelConfig, TaskName

# timm names the licence of its copy; these are the authors' own words, or not in timm.
_LICENCES = {"beit_": "mit", "beitv2_": "mit", "uniperceiver_": "apache-2.0"}
# What the hub knows by name; any other goes under "other" with its name beside it.
_KNOWN_TO_HUB = ("apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0")

_KINDS: dict[TaskName, str] = {
    "semantic": "A semantic segmentation model",
    "instance": "An instance segmentation model",
    "panoptic": "A panoptic segmentation model",
    "detection": "An object detection model",
}

_LIMITS: dict[TaskName, str] = {
    "semantic": "Every pixel gets one of the classes above, also where it shows something else.",
    "instance": "Only objects of the classes above are found; those below the score threshold are left out.",
    "panoptic": "Only the classes above are found; what is too uncertain belongs to no segment.",
    "detection": "Only objects of the classes above are found; those below the score threshold are left out.",
}


def vit_licence(vit: str) -> str | None:
    """Licence of a ViT's published weights, in the hub's spelling; None where it is not known."""
    for beginning, licence in _LICENCES.items():
        if vit.startswith(beginning):
            return licence
    settings = timm.get_pretrained_cfg(vit) if timm.is_model(vit) else None
    return None if settings is None else settings.license


def model_card(
    config: ModelConfig,
    classes: ClassTable,
    protocol: InferenceConfig,
    repository: str | None,
    facts: Mapping[str, Any] | None = None,
    task: TaskName = "semantic",
) -> str:
    """Text of a model card with the hub's metadata at its head.

    Args:
        config: What the model is made of.
        classes: Its classes.
        protocol: How it is applied to an image.
        repository: "owner/name" on the hub; None: a folder.
        facts: Where the weights come from, see ``Segmenter.training_facts``.
        task: What it was trained for.
    """
    facts = facts or {}
    pretrained = facts.get("pretrained")
    licence = vit_licence(config.vit.name) if pretrained else None
    known = licence in _KNOWN_TO_HUB
    data = ModelCardData(
        library_name="vit-adapter",
        pipeline_tag="object-detection" if task == "detection" else "image-segmentation",
        tags=["vit-adapter"],
        license=licence if known or licence is None else "other",
        license_name=None if known else licence,
    )
    size = f"windows of {protocol.crop} pixels, {protocol.stride} apart"
    applied = size if protocol.mode == "slide" else "the whole image at once"
    return f"""---
{data.to_yaml()}
---
# {config.head.title} on {config.vit.name}

{_KINDS[task]} of {len(classes)} classes: {", ".join(classes.names)}.

```python
from vit_adapter import Segmenter  # pip install vit-adapter

model = Segmenter.from_pretrained("{repository or "path/of/this/folder"}")
model.predict("photo.jpg").overlay().save("overlay.png")
```

{_history(facts)}It is applied by {applied}; `config.json` holds this, the normalisation and the classes' names, mask
values and colours.

## Before you use it

{_limits(task, len(classes))} On images unlike those it was trained on, from another camera, place or season, it can be
wrong and sure of it: measure it on images of your own first (`vit-adapter eval`).

## Licence

{_rights(config.vit.name, pretrained)} The data it was trained on may set limits of its own.
"""


def _history(facts: Mapping[str, Any]) -> str:
    """A paragraph about training and scores; empty where nothing is known."""
    parts = []
    if facts.get("step") is not None:
        parts.append(f"The weights are those of training step {facts['step']}")
        if facts.get("ema_decay") is not None:
            parts[-1] += f", an exponential average over the steps (decay {facts['ema_decay']:g})"
    score = next((name for name in ("mIoU", "AP", "PQ") if facts.get(name) is not None), None)
    if score is not None:
        count = facts.get("images")
        images = "validation" if not count else f"{count} validation image{'' if count == 1 else 's'}"
        parts.append(f"{score} on {images}: {100 * facts[score]:.2f} %")
    return "".join(f"{part}.\n" for part in parts) + ("\n" if parts else "")


def _limits(task: TaskName, classes: int) -> str:
    if task == "semantic" and classes == 1:
        return "Every pixel is of the class above or of none."
    return _LIMITS[task]


def _rights(vit: str, pretrained: bool | None) -> str:
    licence = vit_licence(vit)
    if pretrained is False:
        return "No published weights went into it."
    if pretrained is None:
        known = f" ({licence})" if licence else ""
        return (
            f"Where it was made from published weights of {vit}, their licence{known} holds for it as well."
        )
    if licence is None:
        return "The licence of the pretrained ViT it was made from holds for it as well."
    bound = "made from them, the model is bound to that licence as well"
    return f"Weights of {vit} are published under {licence}; {bound}."
