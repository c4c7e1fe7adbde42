"""Area 01: deformable attention, function and module."""

from pathlib import Path

import torch

from vit_adapter.backbones.interaction import pixel_centres
from vit_adapter.ops import DeformableAttention, deformable_attention

from .areas import Runner
from .case import Case
from .comparison import HALF_OUTPUT, check_entry, check_exact, check_outputs
from .names import load_official
from .running import run_module


def run(path: Path, dtype: torch.dtype = torch.float64) -> None:
    """One record, by the official function or class that made it."""
    case = Case(path, torch.float32 if dtype in HALF_OUTPUT else dtype)
    official = case.spec["official"]
    if dtype in HALF_OUTPUT:
        assert official == "MSDeformAttn", "only modules run in half precision"
        _run_in_half_precision(case, dtype)
    elif official == "ms_deform_attn_core_pytorch":
        _run_function(case)
    elif official == "MSDeformAttn":
        _run_module(case)
    elif official == "MSDeformAttn._reset_parameters":
        _check_initial_offsets(case)
    elif official == "deform_inputs":
        _check_reference_points(case)
    else:
        raise ValueError(f"no runner for {official}")


def _shapes(case: Case) -> list[tuple[int, int]]:
    return [(height, width) for height, width in case.inputs["spatial_shapes"].tolist()]


def _build(case: Case) -> DeformableAttention:
    config = case.config
    return DeformableAttention(
        config["d_model"], config["n_levels"], config["n_heads"], config["n_points"], config["ratio"]
    )


def _call(case: Case, module: DeformableAttention) -> torch.Tensor:
    # Reference points keep the type in which they are recorded, float32 (behaviour 3).
    reference = case.stored_inputs["reference_points"]
    inputs = case.inputs
    return module(
        inputs["query"], reference, inputs["input_flatten"], _shapes(case), inputs.get("padding_mask")
    )


def _run_function(case: Case) -> None:
    class Function(torch.nn.Module):
        def forward(self) -> dict[str, torch.Tensor]:
            inputs = case.inputs
            return {
                "out": deformable_attention(
                    inputs["value"], _shapes(case), inputs["sampling_locations"], inputs["attention_weights"]
                )
            }

    function = Function()
    run_module(case, function, "attention", function)


def _run_module(case: Case) -> None:
    module = _build(case)
    run_module(case, module, "attention", lambda: {"out": _call(case, module)})


def _run_in_half_precision(case: Case, dtype: torch.dtype) -> None:
    module = _build(case)
    load_official(module, case.weights, "attention")
    with torch.no_grad(), torch.autocast("cpu", dtype):
        out = _call(case, module)
    assert out.dtype == dtype
    case.dtype = dtype
    check_outputs(case, {"out": out}, skip=("probe_loss",))


def _check_initial_offsets(case: Case) -> None:
    """Names are ``h<heads>_l<levels>_p<points>.sampling_offsets.bias``."""
    for name, recorded in case.outputs.items():
        heads, levels, points = (int(part[1:]) for part in name.split(".")[0].split("_"))
        module = DeformableAttention(8 * heads, levels, heads, points)
        case.dtype = torch.float64
        check_entry(case, "output", name, module.sampling_offsets.bias, recorded)
        zeros = (
            module.sampling_offsets.weight,
            module.attention_weights.weight,
            module.attention_weights.bias,
        )
        zeros += (module.value_projection.bias, module.output_projection.bias)
        assert not any(value.any() for value in zeros)
        for projection in (module.value_projection, module.output_projection):
            bound = (6 / sum(projection.weight.shape)) ** 0.5  # xavier uniform
            assert 0.97 * bound < projection.weight.abs().max() <= bound


def _check_reference_points(case: Case) -> None:
    """Names are ``<height>x<width>.<0 injector, 1 extractor>.<entry>``."""
    for name, recorded in case.outputs.items():
        size, use, entry = name.split(".")
        height, width = (int(side) for side in size.split("x"))
        grids = [(height // stride, width // stride) for stride in (8, 16, 32)]
        queries, values = (grids[1:2], grids) if use == "0" else (grids, grids[1:2])
        if entry == "reference_points":
            points = pixel_centres(queries)
            if points.shape[1] != recorded.shape[1]:
                points = points[:, ::97]  # of large images only every 97th point is recorded
            check_exact(points, recorded, name)
        elif entry == "spatial_shapes":
            check_exact(torch.tensor(values), recorded, name)
        else:
            assert entry == "level_start_index"
            areas = torch.tensor([0] + [h * w for h, w in values])
            check_exact(areas.cumsum(0)[:-1], recorded, name)


RUNNERS: dict[str, Runner] = {"": run}
