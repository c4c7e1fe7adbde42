"""Area 40: the panoptic model, its moving average, and the loading of BEiT files for windows."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from vit_adapter.heads.mask2former import Mask2FormerHead
from vit_adapter.heads.mask2former.targets import Target
from vit_adapter.segmenter import Segmenter
from vit_adapter.tasks.window_walk import MaskSizes
from vit_adapter.training.averaging import exponential_average, share_of_new
from vit_adapter.weights.official import PANOPTIC_HEAD, from_official

from .areas import Runner
from .building import build_backbone
from .case import Case
from .checkpoint_cases import _beit, _compare, _load, _read, _written_and_read
from .comparison import check_gradients, check_outputs
from .instance_cases import results
from .mask2former_building import build_mask2former
from .mask2former_running import RecordedLoss
from .names import our_names
from .pretrained import BEIT, without_indexes


def build_panoptic(config: dict[str, Any]) -> Segmenter:
    """Our model for the official detector."""
    backbone = build_backbone(config["backbone"], config["backbone"]["type"], detection=True)
    head = build_mask2former(config["panoptic_head"], config["train_cfg"])
    return Segmenter(backbone, head, head.num_classes)


def load_panoptic(model: Segmenter, case: Case) -> dict[str, str]:
    """Loads the case's weights as a file's; official name to ours."""
    model.load_state_dict(from_official(case.weights), strict=True)
    renamed = {name: name.replace(PANOPTIC_HEAD, "decode_head.", 1) for name in without_indexes(case.weights)}
    ours = our_names(renamed.values(), "segmenter")
    return {name: ours[theirs] for name, theirs in renamed.items()}


def run_training(path: Path) -> None:
    """Losses with things from masks and stuff from labels, all gradients, buffers."""
    case = Case(path)
    model = build_panoptic(case.config)
    names = load_panoptic(model, case)
    model.to(case.dtype).train()
    head = model.head
    assert isinstance(head, Mask2FormerHead)
    drawn = RecordedLoss(case, head.criterion)
    things = case.config["panoptic_head"]["num_things_classes"]
    targets = []
    for classes, masks, labels in zip(
        case.input_list("gt_labels"), case.input_list("gt_masks"), case.inputs["gt_semantic_seg"], strict=True
    ):
        present = labels.unique()
        stuff = present[(present >= things) & (present != 255)]
        targets.append(
            Target(torch.cat([classes, stuff]), torch.cat([masks.bool(), labels == stuff[:, None, None]]))
        )
    outputs = head.criterion(head.predictions(model.backbone(case.inputs["img"])), targets)
    assert not drawn.source.left
    total = torch.stack(list(outputs.values())).sum()
    total.backward()
    parameters = dict(model.named_parameters())
    grads = {name: parameters[mine].grad for name, mine in names.items() if mine in parameters}
    check_gradients(case, grads, {})
    state = model.state_dict()
    outputs |= {f"after.{name}": state[mine] for name, mine in names.items()}
    outputs |= {
        name: value.reshape(case.outputs[name].shape) for name, value in outputs.items() if "loss" in name
    }
    check_outputs(case, outputs | {"total": total})


def run_test(path: Path) -> None:
    """Panoptic maps and instances of images."""
    case = Case(path)
    model = build_panoptic(case.config)
    load_panoptic(model, case)
    model.to(case.dtype).eval()
    head = model.head
    assert isinstance(head, Mask2FormerHead)
    with torch.no_grad():
        predictions = head.predictions(model.backbone(case.inputs["img"]))
    counts = {
        f"num_{kind}_classes": case.config["panoptic_head"][f"num_{kind}_classes"]
        for kind in ("things", "stuff")
    }
    outputs = {}
    for index, meta in enumerate(case.spec["img_metas"]):
        one: Any = SimpleNamespace(
            config=counts | {"instance_offset": 1000},
            inputs={"mask_cls": predictions.classes[-1][index], "mask_pred": predictions.masks[-1][index]},
        )
        padded, valid, original = (
            (meta[name][0], meta[name][1]) for name in ("batch_input_shape", "img_shape", "ori_shape")
        )
        for name, final in (("not_rescaled", None), ("rescaled", original)):
            found = results(one, name, MaskSizes(padded, valid, final), case.config["test_cfg"])
            outputs |= {f"{key}.{index}": value for key, value in found.items()}
    check_outputs(case, outputs)


def run_average(path: Path) -> None:
    """Averages of weights and buffers after every step."""
    case = Case(path)
    config = case.config
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).to(case.dtype)
    model.load_state_dict(case.weights, strict=False)
    average = exponential_average(model, 1 - config["momentum"], torch.device("cpu"), config["total_iter"])
    assert average is not None
    steps = len({name.split(".")[1] for name in case.inputs})
    iterations = case.outputs["momentum"][:, 0]
    shares = [share_of_new(1 - config["momentum"], int(i) + 1, config["total_iter"]) for i in iterations]
    outputs = {"momentum": torch.stack([iterations, torch.tensor(shares, dtype=torch.float64)], 1)}
    for step in range(steps):
        values = {
            name.removeprefix(f"model.{step}."): value
            for name, value in case.inputs.items()
            if name.startswith(f"model.{step}.")
        }
        model.load_state_dict(values, strict=False)
        average.update_parameters(model)
        for name in values:
            outputs[f"ema.{step}.ema_{name.replace('.', '_')}"] = average.module.state_dict()[name].clone()
    check_outputs(case, outputs)


def run_beit_loading(path: Path) -> None:
    """Tables cut and, where the window of a block is another, resampled."""
    spec, checkpoint, before, after = _read(path)
    spec = {"key_prefix": "", **spec}
    _written_and_read(spec, checkpoint)
    config = {"use_shared_rel_pos_bias": False, **spec["config"]}
    found = _load(
        path,
        spec,
        checkpoint,
        BEIT,
        _beit(config),
        img_size=config["img_size"],
        window_sizes=config["window_size"],
        prefix_tokens=False,
    )
    assert found.state.keys() == without_indexes(before)
    expected = {name: after[name] for name in without_indexes(after)}
    _compare(found.state, expected, spec["tolerance"]["output"])


RUNNERS: dict[str, Runner] = {
    "40_detectors__panoptic_train": run_training,
    "40_detectors__panoptic_test": run_test,
    "40_detectors__panoptic_ema": run_average,
    "40_detectors__beit_load_": run_beit_loading,
}
