"""Writes ``recipes.md``: every published recipe with its size, its keys, what checks it, and how it is measured.

Run from the repository's root:  VIT_ADAPTER_GOLDEN=../shared/golden python docs/make_recipes.py
Without that variable the table of records stays as it is; all else is computed anew.
"""

import gzip
import json
import os
import sys
from collections import Counter
from pathlib import Path

import torch

from vit_adapter.api import build
from vit_adapter.config import InferenceConfig, Normalization
from vit_adapter.weights.official import DERIVED, official_name
from vit_adapter.zoo import Recipe
from vit_adapter.zoo.recipe import UNTRAINED
from vit_adapter.zoo.recipes import MORE_RECIPES, RECIPES, all_recipes

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "recipes.md"
MANIFESTS = ROOT / "tests" / "golden" / "data" / "manifests"
RECORDS = "## Records"

AREAS = {
    "01": "deformable attention",
    "02": "adapter on a plain ViT and its parts",
    "03": "adapter on BEiT",
    "04": "adapter on Uni-Perceiver",
    "05": "UperNet, FCN, their losses",
    "06": "whole UperNet models: inference, training losses",
    "07": "training of several steps, schedule, layer groups",
    "08": "loading and conversion of checkpoints",
    "09": "plain BEiT baseline",
    "10": "DINOv3's adapter",
    "11": "DINOv3's Mask2Former",
    "20": "pixel decoder, positional code",
    "21": "transformer decoder",
    "22": "Mask2Former head, its start values",
    "23": "matching, targets, points",
    "24": "Mask2Former's losses",
    "25": "semantic inference, window by window and augmented",
    "26": "whole Mask2Former models",
    "27": "instances and panoptic segments",
    "29": "targets from label maps, test pipeline",
    "30": "detectors' backbones and necks",
    "31": "boxes: anchors, coding, assignment, sampling, suppression, losses",
    "32": "region proposals",
    "33": "heads on regions",
    "34": "Mask R-CNN",
    "35": "Cascade Mask R-CNN",
    "36": "HTC++",
    "37": "ATSS",
    "38": "GFL",
    "39": "Sparse R-CNN",
    "40": "whole detectors, the model of COCO panoptic",
    "manifests": "keys, shapes and parameters of every recipe, and its settings",
    "manifests_dinov3": "keys, shapes and parameters of DINOv3's published model",
    "optimizer": "rate and decay of every parameter",
    "pretraining": "pretrained files: keys used, left out, resampled",
    "pipeline": "training and test pipelines step by step",
    "metrics": "scores",
    "datasets": "classes, colours, label rules",
    "detection": "recipes and keys of detectors",
}
"""Area of the records to what they hold."""


def covering_areas(recipe: Recipe) -> str:
    """The areas whose records check parts of a recipe's model; the areas named by words check all recipes."""
    model = recipe.model
    backbone = {"deit": "02", "vit_": "02", "beit": "03", "unip": "04"}[model.vit.name[:4]]
    parts = ["09"] if model.backbone.kind == "beit_pyramid" else ["01", backbone]
    parts += ["20–26, 29"] if model.head.kind == "mask2former" else ["05, 06"]
    return ", ".join(parts)


def matched_keys(recipe: Recipe) -> tuple[int, int]:
    """Keys of the model that the official manifest has with the same shape, and keys of the manifest.

    The model is built without memory; index buffers that are derived count where their table is.
    """
    manifest = json.loads(gzip.decompress((MANIFESTS / f"{recipe.name}.json.gz").read_bytes()))["keys"]
    with torch.device("meta"):
        state = build(recipe.name).state_dict()
    shapes = {official_name(name): list(tensor.shape) for name, tensor in state.items()}
    for name in [name for name in shapes if name.endswith(".relative_position_bias_table")]:
        index = name.removesuffix("relative_position_bias_table") + DERIVED
        shapes[index] = manifest.get(index, [])
    extra = shapes.keys() - manifest.keys()
    if extra:
        raise SystemExit(f"{recipe.name}: keys that the official model lacks: {sorted(extra)[:5]}")
    return sum(shapes.get(name) == shape for name, shape in manifest.items()), len(manifest)


def protocol_words(protocol: InferenceConfig, single: InferenceConfig | None = None) -> str:
    """A test protocol in words; of a multi-scale one only what differs from the single-scale one."""
    parts = []
    if protocol.resize is not None:
        long, short = protocol.resize
        if protocol.resize_rule == "short_side":
            parts.append(f"short side {short} x scale, at least {protocol.crop}, no limit for the long one")
        elif protocol.resize_rule == "fixed_side":
            below = "scales below 1 up to a multiple of 32, no limit for the long one"
            parts.append(f"short side {short}" if single is None else f"short side {short} x scale, {below}")
        elif single is None:
            parts.append(f"within {long} x {short}")
    if single is None or protocol.multiple != single.multiple:
        stretched = f"sides stretched to multiples of {protocol.multiple}"
        parts.append(stretched if protocol.multiple else "sides as they come")
    if single is None:
        whole = protocol.mode == "whole"
        parts.append("whole image" if whole else f"windows of {protocol.crop} every {protocol.stride}")
    if single is None and protocol.small_windows == "square":
        parts.append("squares of the shorter side where both are smaller")
    if single is None and protocol.resize_answers:
        parts.append("mask logits resized before scores are made of them")
    if single is None and protocol.antialias:
        parts.append("images resized by Pillow's rule")
    if len(protocol.scales) > 1:
        parts.insert(0, f"scales {', '.join(f'{scale:.4g}' for scale in protocol.scales)}")
    if protocol.pad_to_crop:
        parts.append(f"small sides padded to {protocol.crop} {protocol.pad_to_crop} normalisation")
    if protocol.unpad:
        parts.append("padding cut off before resizing back")
    if protocol.flip:
        parts.append("each view with its mirror image")
    if single is None and protocol.normalization != Normalization():
        parts.append("mean and deviation 127.5")
    return "; ".join(parts)


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def models_table() -> list[str]:
    """One row for each recipe: size, keys, areas, published scores."""
    lines = [
        "| recipe | data | parameters | keys matched | areas | published SS / MS |",
        "|---|---|--:|--:|---|--:|",
    ]
    for recipe in RECIPES.values():
        matched, keys = matched_keys(recipe)
        scores = f"{_score(recipe.score)} / {_score(recipe.multi_scale_score)}"
        metric = "" if recipe.metric == "mIoU" else f" {recipe.metric}"
        lines.append(
            f"| {recipe.name} | {recipe.data.title.split(' (')[0]} | {recipe.parameters:,} | {matched} of {keys} "
            f"| {covering_areas(recipe)} | {scores}{metric} |"
        )
    return lines


def further_table() -> list[str]:
    """One row for each recipe that ViT-Adapter's authors did not publish."""
    lines = ["| recipe | pretraining (licence) | parameters | published |", "|---|---|--:|---|"]
    for recipe in MORE_RECIPES.values():
        said = (
            UNTRAINED
            if recipe.origin == "own"
            else "two files, at its authors' after consent; no score recorded here"
        )
        source = f"{recipe.source.label} ({recipe.source.licence})"
        lines.append(f"| {recipe.name} | {source} | {recipe.parameters:,} | {said} |")
    return lines


def protocols_table() -> list[str]:
    """One row for each pair of tests in words, with the recipes that share it."""
    shared: dict[tuple[str, str], list[str]] = {}
    for recipe in all_recipes().values():
        single = protocol_words(recipe.protocol)
        several = protocol_words(recipe.multi_scale, recipe.protocol)
        shared.setdefault((single, several), []).append(recipe.name)
    lines = ["| recipes | single scale | multi-scale, besides |", "|---|---|---|"]
    return lines + [
        f"| {'<br>'.join(names)} | {single} | {several} |" for (single, several), names in shared.items()
    ]


def records_table() -> list[str]:
    """One row for each area of the records that VIT_ADAPTER_GOLDEN names."""
    sys.path.insert(0, str(ROOT / "tests"))
    from golden.roots import find_records

    counts = Counter[str]()
    for record in find_records():
        counts[record.area if record.area in AREAS else record.area.split("_")[0]] += 1
    lines = ["| area | what | records |", "|---|---|--:|"]
    lines += [f"| {area} | {what} | {counts[area]} |" for area, what in AREAS.items()]
    return [*lines, f"| all | | {counts.total()} |"]


def make_page(records: list[str]) -> str:
    """The page around a table of records."""
    lines = [
        "# Recipes",
        "",
        "Made by `docs/make_recipes.py`; a test compares it with the code. Every recipe is built by",
        "`vit_adapter.build(name)`; with `_ss` or `_ms` behind it, the name also says which test is meant.",
        "",
        "Parameters are exact. Keys are those of the official model's state dict: matched are those that have their",
        "counterpart of the same shape here; none is left over here. Areas are those of the records below; 07, 08 and",
        "those named by words hold for every recipe. Scores are the authors', in percent of mIoU where nothing else is",
        "said; none was measured here, since the checkpoints could not be downloaded.",
        "",
        *models_table(),
        "",
        "## Further recipes",
        "",
        "DINOv3's published model, and our own for modern ViTs, whose settings stand with their reasons in",
        "`zoo/modern.py`. `_frozen` behind a name: the ViT runs without gradients, extractors alone read it; otherwise",
        "everything is trained. [which-vit.md](which-vit.md) says which to take and what memory they need.",
        "",
        *further_table(),
        "",
        "## Tests",
        "",
        "Scores of windows are averaged where they overlap, and resized to the image's own size. Several views are",
        "averaged as probabilities.",
        "",
        *protocols_table(),
        "",
        RECORDS,
        "",
        "Numbers recorded from the official code. `VIT_ADAPTER_GOLDEN=FOLDER pytest tests/golden` runs all of them, a",
        "part of them is in `tests/golden/data`. Every one has to pass.",
        "",
        *records,
    ]
    return "\n".join(lines) + "\n"


def stored_records(text: str) -> list[str]:
    """The table of records of a page."""
    return [line for line in text[text.index(RECORDS) :].splitlines() if line.startswith("|")]


def main() -> None:
    """Writes the page."""
    named = os.environ.get("VIT_ADAPTER_GOLDEN")
    records = records_table() if named else stored_records(PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(make_page(records), encoding="utf-8")
    print(f"written to {PAGE}")


if __name__ == "__main__":
    main()
