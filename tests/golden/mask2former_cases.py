"""Records of areas 20, 21, 22 and 26: the parts of the Mask2Former head, the head, and whole models."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from views import scores_of_view
from vit_adapter.heads.mask2former import Mask2FormerHead
from vit_adapter.heads.mask2former.position_code import sine_position_code
from vit_adapter.heads.mask2former.targets import targets_of
from vit_adapter.segmenter import Segmenter
from vit_adapter.training.parameter_groups import layer_decay_setting, layer_of
from vit_adapter.weights.official import official_name

from .building import build_backbone
from .case import Case
from .comparison import check_entry, check_exact, check_labels, check_outputs
from .mask2former_building import build_mask2former, build_pixel_decoder
from .mask2former_running import RecordedLoss, check_case, numbered, recorded_targets
from .names import load_official, our_names


def run_position_code(path: Path) -> None:
    """The code of masks with and without padding."""
    case = Case(path, torch.float32)
    settings = {"offset": 0.0, "scale": 2 * np.pi, "temperature": 10000.0, "eps": 1e-6} | case.config
    known = {"type", "num_feats", "normalize", "offset", "scale", "temperature", "eps"}
    assert set(settings) <= known
    ours = {
        name.replace("mask.", "pos."): sine_position_code(
            mask.bool(),
            settings["num_feats"],
            temperature=settings["temperature"],
            normalize=settings["normalize"],
            scale=settings["scale"],
            epsilon=settings["eps"],
            offset=settings["offset"],
        )
        for name, mask in case.inputs.items()
    }
    for name, recorded in case.outputs.items():
        case.dtype = torch.float64  # the tolerance of the specification, which is one for float32
        check_entry(case, "output", name, ours[name], recorded)


def run_pixel_decoder(path: Path) -> None:
    """The maps for the transformer decoder and the mask features."""
    case = Case(path)
    module = build_pixel_decoder(case.config)
    names = load_official(module, case.weights, "pixel_decoder")
    module.to(case.dtype).train(case.training)
    case.require_input_gradients()
    maps, mask_features = module(case.input_list("feats"))
    check_case(case, module, names, numbered("multi_scale", maps) | {"mask_feature": mask_features})


def run_head(path: Path) -> None:
    """Class and mask logits of every prediction set, and what each layer may not look at."""
    case = Case(path)
    module = build_mask2former(case.config)
    names = load_official(module, case.weights, "head")
    module.to(case.dtype).train(case.training)
    case.require_input_gradients()
    predictions = module.predictions(case.input_list("feats"))
    heads = case.config["transformer_decoder"]["transformerlayers"]["attn_cfgs"]["num_heads"]
    blocked = [mask.repeat_interleave(heads, dim=0) for mask in predictions.attention_masks]
    outputs = numbered("cls", predictions.classes) | numbered("mask", predictions.masks)
    check_case(case, module, names, outputs | numbered("attn_mask", blocked))


def run_initialization(path: Path) -> None:
    """Statistics of every parameter over as many seeds as were pooled."""
    case = Case(path)
    seeds = case.spec["pooled_seeds"]
    states = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        states.append(build_mask2former(case.config).state_dict())
    tolerance, uniform = case.spec["tolerance"], case.spec["uniform"]
    official = [name.removeprefix("std.") for name in case.outputs if name.startswith("std.")]
    names = our_names(official, "head")
    assert set(names.values()) == set(states[0])
    for name, mine in names.items():
        values = torch.stack([state[mine] for state in states]).double()
        recorded = {
            key: case.outputs.get(f"{key}.{name}") for key in ("std", "mean", "absmax", "constant", "value")
        }
        assert list(values.shape[1:]) == case.outputs[f"shape.{name}"].tolist()
        if recorded["constant"]:
            value = recorded["value"]
            assert value is not None
            # "Exact" is meant for float32, in which the directions' sines and cosines are computed.
            torch.testing.assert_close(values, value.expand_as(values), rtol=0, atol=1e-6, msg=name)
            continue
        assert recorded["std"] is not None
        assert recorded["absmax"] is not None
        count = values.numel()
        kind = "std" if count >= tolerance["std"]["if_count_at_least"] else "std_small"
        std = float(recorded["std"])
        assert abs(float(values.std()) - std) <= tolerance[kind]["rtol"] * std, f"std of {name}"
        assert abs(float(values.mean())) <= 4 * float(values.std()) / count**0.5, f"mean of {name}"
        if name in uniform:
            largest = float(recorded["absmax"])
            off = abs(float(values.abs().max()) - largest)
            assert off <= tolerance["absmax_uniform"]["rtol"] * largest, f"largest of {name}"


def _build_segmenter(config: dict[str, Any]) -> Segmenter:
    head = build_mask2former(config["decode_head"], config["train_cfg"])
    backbone = build_backbone(config["backbone"], config["backbone"]["type"])
    return Segmenter(backbone, head, head.num_classes)


def run_segmenter(path: Path) -> None:
    """A whole model: every part's output, and the scores of a view at another size."""
    case = Case(path)
    model = _build_segmenter(case.config)
    load_official(model, case.weights, "segmenter")
    model.to(case.dtype).train(case.training)
    testing, images = case.config["test_cfg"], case.inputs["img"]
    assert set(case.spec) <= _READ_KEYS, (
        f"parts of the specification that are not read: {set(case.spec) - _READ_KEYS}"
    )
    with torch.no_grad():
        scores = scores_of_view(
            model,
            images,
            tuple(case.spec["rescale_to"]),
            mode=testing["mode"],
            crop=tuple(testing.get("crop_size", (0, 0))),
            stride=tuple(testing.get("stride", (0, 0))),
        )
        ours = {"seg_logit": scores}
        if "features.0" in case.outputs:
            pyramid = model.backbone(images)
            predictions = model.head.predictions(pyramid)  # pyright: ignore
            ours |= numbered("features", pyramid) | {"encode_decode": model(images)}
            ours |= numbered("cls", predictions.classes) | numbered("mask", predictions.masks)
    check_outputs(case, ours, skip=["argmax"])
    for index, recorded in enumerate(case.outputs["argmax"]):
        labels = scores[index].softmax(0).argmax(0)
        gap = case.spec["label_gap"]
        check_labels(labels, recorded, case.outputs["seg_logit"][index], gap, f"image {index}")


_READ_KEYS = {
    *("area", "description", "official", "config", "mode", "dtype", "tolerance", "notes", "tolerance_note"),
    *("rescale_to", "label_gap"),
}


def run_training_segmenter(path: Path) -> None:
    """Losses of a whole model, all gradients, and what its batch norms have gathered."""
    case = Case(path)
    model = _build_segmenter(case.config)
    names = load_official(model, case.weights, "segmenter")
    model.to(case.dtype).train()
    case.require_input_gradients()
    head, labels = model.head, case.inputs["gt_semantic_seg"][:, 0]
    assert isinstance(head, Mask2FormerHead)
    assignments = RecordedLoss(case, head.criterion)
    targets = targets_of(labels, head.num_classes, model.ignore_index)
    for ours, recorded in zip(targets, recorded_targets(case), strict=True):
        check_exact(ours.classes, recorded.classes, "classes")
        check_exact(ours.masks, recorded.masks, "masks")
    losses = model.loss(case.inputs["img"], labels)
    assert not assignments.source.left
    outputs = {f"decode.{name}": value for name, value in losses.items() if "loss_" in name}
    assert {name for name in case.outputs if "loss" in name} == set(outputs)
    outputs["total"] = losses["loss"]
    state = model.state_dict()
    outputs |= {f"after.{name}": state[mine] for name, mine in names.items()}
    check_case(case, model, names, outputs, "total")


def run_optimizer_groups(path: Path) -> None:
    """Layer, rate and decay of every parameter of a whole model."""
    record = json.loads(path.read_text())
    config, recorded = record["spec"]["config"], record["output"]
    rule, optimizer = config["paramwise_cfg"], config["optimizer"]
    model = _build_segmenter(config["model"])
    shapes = {official_name(name): list(parameter.shape) for name, parameter in model.named_parameters()}
    assert shapes == {name: entry["shape"] for name, entry in recorded.items()}
    for name, shape in shapes.items():
        ours = layer_decay_setting(
            name, len(shape), optimizer["weight_decay"], rule["layer_decay_rate"], rule["num_layers"]
        )
        theirs = recorded[name]
        np.testing.assert_allclose(ours.scale, theirs["lr_scale"], rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(optimizer["lr"] * ours.scale, theirs["lr"], rtol=1e-9, err_msg=name)
        assert ours.weight_decay == theirs["weight_decay"], name
        decay = "decay" if ours.weight_decay else "no_decay"
        assert theirs["group"] == f"layer_{layer_of(name, rule['num_layers'])}_{decay}", name


RUNNERS: dict[str, Callable[[Path], None]] = {
    "20_m2f_pixel_decoder__": run_pixel_decoder,
    "20_m2f_pixel_decoder__sine": run_position_code,
    "21_m2f_transformer_decoder__": run_head,
    "22_m2f_head__": run_head,
    "22_m2f_head__init": run_initialization,
    "26_m2f_segmentor__": run_segmenter,
    "26_m2f_segmentor__train": run_training_segmenter,
    "26_m2f_segmentor__optimizer_groups": run_optimizer_groups,
}
