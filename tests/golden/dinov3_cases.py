"""Records of areas 10 and 11: DINOv3's adapter, its Mask2Former head and its inference; and the keys of the 7B."""

import gzip
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from views import prepared_views, scores_of_view
from vit_adapter.annotations import Window
from vit_adapter.api import build
from vit_adapter.backbones.vit.rotary import RotaryPositions, rotations
from vit_adapter.backbones.vit.wrapper import join
from vit_adapter.config import InferenceConfig, InputError, Normalization
from vit_adapter.heads import resize_maps
from vit_adapter.inference import Application, plan_views, window_grid
from vit_adapter.weights.official_dinov3 import (
    BACKBONE,
    HEAD,
    VIT,
    dinov3_name,
    from_dinov3,
    our_name,
    to_dinov3,
)

from .areas import Runner
from .case import Case
from .comparison import (
    Tolerance,
    check_close,
    check_entry,
    check_gradients,
    check_labels,
    check_outputs,
    check_share_of_largest,
)
from .dinov3_building import build_adapter, build_head, build_segmenter, protocol_of
from .running import ReplayedDropPath, numbered, replay_draws

RECIPE = "mask2former_dinov3_adapter_7b_896_ade20k"
FLOAT32_SCORES = 1e-4
"""Share of the largest score that inference in float32 may be off, as the specifications say."""


def load(module: nn.Module, weights: Mapping[str, Tensor], official: str, ours: str) -> dict[str, str]:
    """Loads weights through the mapping of published files; all of ours are given, and all of theirs have a place.

    Args:
        module: Ours.
        weights: By official keys inside the part.
        official: Beginning of the part's names in a whole model.
        ours: The same in our model.

    Returns:
        Official key to our key, of the tensors that are one and the same in both.
    """
    whole = {official + name: value for name, value in weights.items()}
    state = {name.removeprefix(ours): value for name, value in from_dinov3(whole).items()}
    assert not any(name.startswith(("backbone.", "head.")) for name in state if ours)
    module.load_state_dict(state, strict=True)
    # The way back gives the same file, but for the keys' bias, which nothing reads.
    back = to_dinov3({ours + name: value for name, value in state.items()})
    assert back.keys() == whole.keys(), back.keys() ^ whole.keys()
    for name, value in whole.items():
        same = back[name] == value
        if name.endswith("qkv.bias"):
            same[len(same) // 3 : -(len(same) // 3)] = True
        assert bool(same.all()), name
    shared = [name for name in weights if not name.endswith(("qkv.bias", "qkv.bias_mask"))]
    return {name: our_name(official + name).removeprefix(ours) for name in shared}


def with_storage(case: Case, rounding: float) -> Case:
    """The case with the tolerance of entries that are stored as float32, which the notes of these areas give."""
    case.spec.setdefault("tolerance_by_storage", {"float32": rounding})
    return case


class KeptDraws(ReplayedDropPath):
    """Stochastic depth whose finished draws, 0 or 1 for each sample, were recorded."""

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training:
            return branch
        draw = next(self.draws).to(branch.dtype).reshape(-1, *[1] * (branch.ndim - 1))
        return branch * draw / (1 - self.rate)


def run_adapter(path: Path, dtype: torch.dtype = torch.float64) -> None:
    """Maps, kept layers, tokens and gradients."""
    case = with_storage(Case(path, dtype), 1e-6)
    backbone = build_adapter(case.config)
    names = load(backbone, case.weights, BACKBONE, "backbone.")
    unused = replay_draws(backbone, case.draws)
    backbone.to(case.dtype).train(case.training)
    for module in backbone.modules():
        if isinstance(module, ReplayedDropPath):
            module.__class__ = KeptDraws
    case.require_input_gradients()
    assert not any(parameter.requires_grad for parameter in backbone.vit.parameters())
    seen = watch(backbone)
    maps = backbone(case.inputs["x"])
    assert next(unused, None) is None, "recorded draws that were not asked for"
    outputs = {str(index + 1): level for index, level in enumerate(maps)} | seen()
    state = backbone.state_dict()
    outputs |= {f"after.{name}": state[ours] for name, ours in names.items()}
    if case.grads or case.grad_inputs:
        torch.stack([(outputs[name] * probe).sum() for name, probe in case.probes.items()]).sum().backward()
        parameters = dict(backbone.named_parameters())
        check_gradients(
            case,
            {name: parameters[ours].grad for name, ours in names.items() if ours in parameters},
            {name: case.inputs[name].grad for name in case.grad_inputs},
        )
    check_outputs(case, outputs)


def watch(backbone: Any) -> Callable[[], dict[str, Tensor]]:
    """Lets one adapter keep what it reads of its ViT and of the spatial prior."""
    outputs: dict[str, Tensor] = {}
    run, wrapper = backbone.wrapper.run, backbone.wrapper
    stages: list[tuple[Tensor, Tensor]] = []

    def kept(first: int, last: int, prefix: Tensor, grid: Tensor, size: tuple[int, int]):
        result = run(first, last, prefix, grid, size)
        stages.append(result)
        sine, cosine = wrapper.vit.rope.get_embed(size).chunk(2, dim=-1)
        outputs.update({"rope.sin": sine, "rope.cos": cosine})
        return result

    wrapper.run = kept
    backbone.spatial_prior.register_forward_hook(
        lambda module, inputs, levels: outputs.update(numbered("spm", levels))
    )

    def seen() -> dict[str, Tensor]:
        for index, (prefix, grid) in enumerate(stages):
            outputs[f"layers.{index}.patch"] = wrapper.read(grid)
            outputs[f"layers.{index}.cls"] = wrapper.read(prefix)[:, 0]
        outputs["raw_tokens.0"] = join(*stages[0])
        return outputs

    return seen


def run_rotations(path: Path) -> None:
    """Periods as they are built, tables of grids, and one of training mode."""
    case = Case(path, torch.float32)
    ours: dict[str, Tensor] = {}
    ropes: dict[str, RotaryPositions] = {}
    for name in case.outputs:
        kind, *where = name.split(".")
        if kind == "periods":
            (width,) = where
            ropes[width] = one_head(int(width))
            ours[name] = ropes[width].periods
    for name in case.outputs:
        kind, *where = name.split(".")
        if kind in ("sin", "cos"):
            width, grid = where
            tables = ropes[width].get_embed([int(side) for side in grid.split("x")])
            ours[name] = tables.chunk(2, dim=-1)[kind == "cos"]
    factor = case.inputs["rand.0"].exp()
    low, high = case.inputs["rand_range"].tolist()
    assert abs(low + math.log(2)) < 1e-6
    assert abs(high - math.log(2)) < 1e-6
    ours["train.sin"], ours["train.cos"] = rotations(ropes["16"].periods, 3, 5, factor)
    case.dtype = torch.float64  # the tolerance of the specification, which is one for float32
    check_outputs(case, ours)


def one_head(width: int) -> RotaryPositions:
    """The rotations of a ViT with a single head of that width."""
    config = {"embed_dim": width, "num_heads": 1, "depth": 4}
    rope = build_adapter({"backbone": config, "adapter": {"deform_num_heads": 1}}).vit.rope  # pyright: ignore
    assert isinstance(rope, RotaryPositions)
    return rope


def run_sizes(path: Path) -> None:
    """Which images are taken, and the sizes of their maps."""
    case = Case(path)
    with torch.device("meta"):
        backbone = build_adapter(case.config).eval()
    accepted, sizes = [], []
    for height, width in case.stored_inputs["sizes"].tolist():
        try:
            maps = backbone(torch.empty(1, 3, height, width, device="meta"))
        except InputError:
            accepted.append(False)
            sizes.append([0] * 8)
            continue
        accepted.append(True)
        sizes.append([side for level in maps for side in level.shape[2:]])
    check_outputs(case, {"accepted": torch.tensor(accepted), "map_sizes": torch.tensor(sizes)})


def run_head(path: Path, dtype: torch.dtype = torch.float64) -> None:
    """Every prediction set, what the pixel decoder gives, masks at another size, and gradients."""
    case = with_storage(Case(path, dtype), 1e-6)
    head = build_head(case.config)
    names = load(head, case.weights, HEAD, "head.")
    head.to(case.dtype).train(case.training)
    case.require_input_gradients()
    decoded: list[Any] = []
    head.pixel_decoder.register_forward_hook(lambda module, inputs, output: decoded.append(output))
    predictions = head.predictions([case.inputs[f"features.{level}"] for level in "1234"])
    maps, mask_features = decoded[0]
    outputs = {"pixel_decoder.mask_features": mask_features} | numbered("pixel_decoder.multi_scale", maps)
    for index, (classes, masks) in enumerate(zip(predictions.classes, predictions.masks, strict=True)):
        outputs |= {f"predictions.{index}.pred_logits": classes, f"predictions.{index}.pred_masks": masks}
    if "rescale_to" in case.stored_inputs:
        height, width = case.stored_inputs["rescale_to"].tolist()
        outputs["predict.pred_logits"] = predictions.classes[-1]
        outputs["predict.pred_masks"] = resize_maps(predictions.masks[-1], (height, width))
    if case.grads:
        torch.stack([(outputs[name] * probe).sum() for name, probe in case.probes.items()]).sum().backward()
        parameters = dict(head.named_parameters())
        check_gradients(
            case,
            {name: parameters[ours].grad for name, ours in names.items()},
            {name: case.inputs[name].grad for name in case.grad_inputs},
        )
    check_outputs(case, outputs)


def run_initial_values(path: Path) -> None:
    """Mean, deviation and largest value of every fresh parameter, constants exactly."""
    case = Case(path)
    adapter = "adapter" in case.config
    module = build_adapter(case.config) if adapter else build_head(case.config)
    place, ours = (BACKBONE, "backbone.") if adapter else (HEAD, "head.")
    state = {ours + name: value.detach() for name, value in module.named_parameters()}
    fresh = {name.removeprefix(place): value for name, value in to_dinov3(state).items()}
    recorded = {name.removeprefix("std.") for name in case.outputs if name.startswith("std.")}
    made = {name for name in fresh if not name.endswith("bias_mask")}
    assert made == recorded, made ^ recorded
    tolerance = case.spec["tolerance"]
    for name in sorted(recorded):
        values = fresh[name].double()
        std, mean, largest = (float(case.outputs[f"{key}.{name}"]) for key in ("std", "mean", "absmax"))
        value = case.outputs.get(f"value.{name}")
        if value is not None:
            check_close(values, value, Tolerance(**tolerance["value"]), name)
        elif name.endswith("sampling_offsets.bias"):  # a fixed ring
            assert abs(float(values.abs().max()) - largest) < 1e-5, name
            assert abs(float(values.std(correction=0)) - std) < 1e-3, name
        elif std == 0:
            assert (values.float() == torch.tensor(mean).float()).all(), f"{name}: not {mean:g} everywhere"
        elif name.startswith("backbone.blocks.") and name.endswith(("attn.proj.weight", "fc2.weight")):
            continue  # without pretrained weights the blocks keep timm's start, which scales these two by depth
        else:
            kind = "std" if values.numel() >= tolerance["std"]["if_count_at_least"] else "std_small"
            off = abs(float(values.std(correction=0)) - std)
            assert off <= tolerance[kind]["rtol"] * std, (
                f"{name}: deviation {values.std(correction=0):g}, recorded {std:g}"
            )
            bound = 4 * float(values.std(correction=0)) / values.numel() ** 0.5
            assert abs(float(values.mean())) <= bound, f"{name}: mean {values.mean():g}"


def run_inference(path: Path, dtype: torch.dtype = torch.float64) -> None:
    """Scores of one view of a whole model, and the windows that it saw."""
    case = with_storage(Case(path, dtype), 1e-7)
    settings = case.config["inference"]
    model = build_segmenter(case.config)
    load(model, case.weights, "", "")
    model.to(case.dtype).eval()
    protocol = protocol_of(settings)
    images = case.inputs["x"]
    view = plan_views((images.shape[2], images.shape[3]), protocol)[0]
    if view.size != tuple(images.shape[2:]):
        images = F.interpolate(images, view.size, mode="bilinear", align_corners=False)
    calls: list[list[int]] = []
    logits: list[Tensor] = []
    model.head.transformer_decoder.register_forward_hook(  # pyright: ignore
        lambda module, inputs, predictions: logits.append(predictions.classes[-1])
    )

    def scored(windows: Tensor, size: tuple[int, int]) -> Tensor:
        calls.append([windows.shape[2], windows.shape[3], *size])
        return model._window_scores(windows, size, precision="float32")

    scores = scores_of_view(
        scored,
        images,
        tuple(settings["rescale_to"]),
        mode=protocol.mode,
        crop=protocol.crop,
        stride=protocol.stride,
        flip="horizontal" if settings.get("apply_horizontal_flip") else None,
        small_windows=protocol.small_windows,
        sized=protocol.resize_answers,
    )
    if settings.get("output_activation"):
        assert settings["output_activation"] == "softmax over classes"
        scores = scores.softmax(dim=1)
    ours = {"scores": scores, "scores_exact": scores, "calls": torch.tensor(calls)}
    ours["predict.pred_logits"] = logits[0]
    _check_scores(case, ours)
    gap = case.spec["label_gap"] if dtype == torch.float64 else FLOAT32_SCORES
    for index, recorded in enumerate(case.outputs["label"]):
        labels = scores[index].argmax(0)
        check_labels(labels, recorded, case.outputs["scores_exact"][index], gap, f"image {index}")


def _check_scores(case: Case, ours: Mapping[str, Tensor]) -> None:
    """Outputs of inference; in float32 by the share that the specifications give for scores."""
    for name, recorded in case.outputs.items():
        if name == "label":
            continue
        if case.dtype == torch.float64 or name == "calls":
            exact = Case.__new__(Case)
            exact.spec, exact.dtype = case.spec, torch.float64
            check_entry(exact, "output", name, ours[name], recorded)
        else:
            own = case.spec["tolerance_by_output"].get(name, {"rtol": 0})["rtol"]
            check_share_of_largest(ours[name], recorded, max(own, FLOAT32_SCORES), name)


def run_views(path: Path) -> None:
    """Several scales with mirror images: views, scores of each, mean, labels; and the same as users call it."""
    case = Case(path)
    config = case.config
    model = build_segmenter(config)
    load(model, case.weights, "", "")
    model.to(case.dtype).eval()
    protocol = InferenceConfig(
        resize=(config["img_size"], config["img_size"]),
        resize_rule="fixed_side",
        antialias=True,
        multiple=None,
        crop=config["crop_size"],
        stride=config["stride"],
        small_windows="square",
        resize_answers=True,
        scales=tuple(config["tta_ratios"]),
        flip=config["use_tta"],
        normalization=Normalization(tuple(config["mean"]), tuple(config["std"])),
    )
    image = case.stored_inputs["image"].numpy().astype(np.uint8)
    size = (image.shape[0], image.shape[1])
    prepared = prepared_views(image, protocol)
    scales = len(protocol.scales)
    ours: dict[str, Tensor] = {}

    def scored(windows: Tensor, size: tuple[int, int]) -> Tensor:
        return model._window_scores(windows.to(case.dtype), size, precision="float32")

    for scale in range(scales):
        for flipped in (False, True):
            view = prepared[2 * scale + flipped]
            recorded = case.outputs[f"views.{scale}"][None].double()
            seen = torch.from_numpy(view.cut(Window(0, 0, *view.view.padded))).double()
            ours[f"views.{scale}"] = (seen.flip(-1) if flipped else seen)[0]
            check_close(ours[f"views.{scale}"], recorded[0], Tolerance(0, 1e-6), f"view {scale} {flipped}")
            scores = scores_of_view(
                scored,
                recorded.flip(-1) if flipped else recorded,
                size,
                mode=protocol.mode,
                crop=protocol.crop,
                stride=protocol.stride,
                flip="horizontal" if flipped else None,
                small_windows=protocol.small_windows,
                sized=True,
            )
            ours[f"scores_exact.{scale + scales * flipped}"] = scores.softmax(dim=1)
    views = [ours[f"scores_exact.{index}"] for index in range(2 * scales)]
    mean = torch.stack(views).mean(dim=0)
    ours["mean_exact"] = mean
    check_outputs(case, ours, skip=["label*"])
    gap = case.spec["label_gap"]
    check_labels(mean[0].argmax(0), case.outputs["label"][0], case.outputs["mean_exact"][0], gap, "label")
    applied = Application(
        scored, [image], protocol, num_classes=mean.shape[1], scores_are=model.head.scores_are, batch_size=1
    )
    torch.testing.assert_close(torch.from_numpy(applied.scores()[0]), mean[0].float(), rtol=0, atol=1e-5)
    labels = torch.from_numpy(applied.labels()[0].astype(np.int64))
    check_labels(
        labels, case.outputs["label"][0], case.outputs["mean_exact"][0], 1e-5, "label as users get it"
    )


def run_view_sizes(path: Path) -> None:
    """Sizes of views and windows of the published evaluation."""
    case = Case(path)
    config = case.config
    protocol = InferenceConfig(
        resize=(config["img_size"], config["img_size"]),
        resize_rule="fixed_side",
        multiple=None,
        crop=config["crop_size"],
        stride=config["stride"],
        small_windows="square",
        scales=tuple(config["tta_ratios"]),
    )
    for index, (height, width, ratio) in enumerate(case.stored_inputs["size_and_ratio_index"].tolist()):
        view = plan_views((height, width), protocol)[ratio].padded
        assert list(view) == case.outputs["view_size"][index].tolist(), (height, width, ratio)
        windows = window_grid(view, protocol.crop, protocol.stride, protocol.small_windows)
        assert {(w.height, w.width) for w in windows} == {tuple(case.outputs["window_size"][index].tolist())}
        recorded = int(case.outputs["windows"][index])
        unusable = windows[0].height % 32 or windows[0].width % 32  # ours are padded, the official code fails
        assert len(windows) == recorded or (recorded == 0 and unusable), (height, width, ratio)


def run_manifest(path: Path) -> None:
    """Keys and shapes of the published 7B, both directions, and its numbers of parameters."""
    manifest = json.loads(gzip.decompress(path.read_bytes()))
    with torch.device("meta"):  # no memory, no numbers
        model = build(RECIPE)
    state = model.state_dict()
    official = to_dinov3(state)
    shapes = {name: list(tensor.shape) for name, tensor in official.items()}
    assert shapes.keys() == manifest["keys"].keys(), sorted(shapes.keys() ^ manifest["keys"].keys())[:20]
    assert shapes == manifest["keys"]
    assert {our_name(name) for name in manifest["keys"]} == set(state)
    assert all(dinov3_name(our_name(name), gated=True) == name for name in manifest["keys"])
    back = from_dinov3(official)
    assert {name: value.shape for name, value in back.items()} == {n: v.shape for n, v in state.items()}
    bare = {name.removeprefix(VIT) for name in official if name.startswith(VIT)}
    parts = {name for name in official if not name.startswith(VIT)}
    assert bare == set(manifest["backbone_checkpoint_keys"])
    assert parts == set(manifest["head_checkpoint_keys"])

    parameters = {dinov3_name(name, gated=True): value for name, value in model.named_parameters()}
    assert set(shapes) - set(parameters) == set(manifest["buffers"])
    places = {"backbone (frozen ViT-7B/16)": VIT, "mask2former head": HEAD}
    counts = {
        label: sum(value.numel() for name, value in parameters.items() if name.startswith(place))
        for label, place in places.items()
    }
    total = sum(value.numel() for value in parameters.values())
    counts["adapter"] = total - sum(counts.values())
    assert counts == manifest["parameters_by_part"]
    assert total == manifest["parameters"]
    trained = sum(value.numel() for value in parameters.values() if value.requires_grad)
    assert trained == manifest["trainable"]
    frozen = {name for name, value in parameters.items() if not value.requires_grad}
    assert frozen == set(manifest["frozen"])


RUNNERS: dict[str, Runner] = {
    "10_dinov3_adapter__": run_adapter,
    "10_dinov3_adapter__init": run_initial_values,
    "10_dinov3_adapter__rope": run_rotations,
    "10_dinov3_adapter__sizes": run_sizes,
    "11_dinov3_mask2former__": run_head,
    "11_dinov3_mask2former__init": run_initial_values,
    "11_dinov3_mask2former__inference": run_inference,
    "11_dinov3_mask2former__tta": run_views,
    "11_dinov3_mask2former__tta_sizes": run_view_sizes,
    "dinov3_vit7b16_adapter_mask2former": run_manifest,
}
