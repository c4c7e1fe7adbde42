"""The model card: what a folder or hub repository says about its model to people."""

import timm
from huggingface_hub import ModelCardData

from vit_adapter.config import ClassTable, ModelConfig, Protocol

# timm names the licence of its copy; these are the authors' own words, or not in timm.
_LICENCES = {"beit_": "mit", "beitv2_": "mit", "uniperceiver_": "apache-2.0"}
# What the hub knows by name; any other goes under "other" with its name beside it.
_KNOWN_TO_HUB = ("apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0")


def vit_licence(vit: str) -> str | None:
    """Licence of a ViT's published weights, in the hub's spelling; None where it is not known."""
    for beginning, licence in _LICENCES.items():
        if vit.startswith(beginning):
            return licence
    settings = timm.get_pretrained_cfg(vit) if timm.is_model(vit) else None
    return None if settings is None else settings.license


def model_card(config: ModelConfig, classes: ClassTable, protocol: Protocol, repository: str | None) -> str:
    """Text of a model card with the hub's metadata at its head.

    Args:
        config: What the model is made of.
        classes: Its classes.
        protocol: How it is applied to a picture.
        repository: "owner/name" on the hub; None: a folder.
    """
    licence = vit_licence(config.vit)
    known = licence in _KNOWN_TO_HUB
    data = ModelCardData(
        library_name="vit-adapter",
        pipeline_tag="image-segmentation",
        tags=["vit-adapter"],
        license=licence if known or licence is None else "other",
        license_name=None if known else licence,
    )
    size = f"windows of {protocol.crop} pixels, {protocol.stride} apart"
    applied = size if protocol.mode == "slide" else "the whole picture at once"
    if licence is None:
        rights = "The licence of the pretrained ViT it was made from holds for it as well."
    else:
        rights = (
            f"Weights of {config.vit} are published under {licence}; made from them, the model is bound to that "
            "licence as well."
        )
    return f"""---
{data.to_yaml()}
---
# {config.head} on {config.vit}

A semantic segmentation model of {len(classes)} classes: {", ".join(classes.names)}.

```python
from vit_adapter import Segmenter  # pip install vit-adapter

model = Segmenter.from_pretrained("{repository or "path/of/this/folder"}")
model.predict("photo.jpg").overlay().save("overlay.png")
```

It is applied by {applied}; `config.json` holds this, the normalisation and the classes' names, mask values and colours.

## Licence

{rights} The data it was trained on may set limits of its own.
"""
