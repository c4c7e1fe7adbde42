"""How freshly made parameters are distributed, and the settings of freshly made modules."""

from collections.abc import Mapping, Sequence

import torch
from timm.layers import DropPath
from torch import Tensor, nn

from .case import Case
from .comparison import check_entry
from .names import our_names

TRUNK = ("blocks.", "layers.", "patch_embed.", "pos_embed", "cls_token")
"""Of names that begin so only constants bind: without pretrained weights the ViT keeps timm's initialisation."""


def check_statistics(case: Case, module: nn.Module, part: str) -> None:
    """Constants exactly, distributions by mean, deviation and, of uniform ones, the bound."""
    parameters = dict(module.named_parameters())
    names = our_names(case.spec["names"], part)
    assert set(names.values()) == set(parameters), set(names.values()) ^ set(parameters)
    rows = dict(zip(case.spec["names"], case.outputs["stats"].tolist(), strict=True))
    for name, ours in names.items():
        _check_parameter(case, name, parameters[ours].detach().double(), rows[name])


def _check_parameter(case: Case, name: str, values: Tensor, row: list[float]) -> None:
    mean, deviation, largest, count, constant = row
    assert values.numel() == count, f"{name}: {values.numel()} values, recorded {count:g}"
    if name.endswith("sampling_offsets.bias"):  # a fixed pattern (behaviour 24)
        ours = torch.stack([values.mean(), values.std(correction=0), values.abs().max()])
        assert (ours - torch.tensor(row[:3], dtype=ours.dtype)).abs().max() < 1e-6, (
            f"{name}: {ours} for {row}"
        )
        return
    if constant:
        assert (values.float() == torch.tensor(mean).float()).all(), f"{name}: not {mean:g} everywhere"
        return
    if name.startswith(TRUNK):
        return
    # torch's truncated normal returns its cut, 2, about once in 17 million values.
    values = values[values.abs() < 2] if deviation < 0.1 else values
    tolerance = case.spec["tolerance"]
    by_count = "std" if count >= tolerance["std"]["if_count_at_least"] else "std_small"
    ours = float(values.std(correction=0))
    assert abs(ours - deviation) <= tolerance[by_count]["rtol"] * deviation, (
        f"{name}: deviation {ours:g}, recorded {deviation:g}"
    )
    assert abs(values.mean()) <= 4 * deviation / count**0.5, (
        f"{name}: mean {values.mean():g} of {count:g} values"
    )
    if name in case.spec.get("uniform", []):
        bound = float(values.abs().max())
        assert abs(bound - largest) <= tolerance["absmax_uniform"]["rtol"] * largest, (
            f"{name}: largest {bound:g}, recorded {largest:g}"
        )


def check_settings(case: Case, module: nn.Module) -> None:
    """Rates of stochastic depth, epsilons and momenta of the norms of a backbone, by their official names."""
    modules = dict(module.named_modules())
    norms = {name: m for name, m in modules.items() if isinstance(m, nn.LayerNorm)}
    batch_norms = {name: m for name, m in modules.items() if isinstance(m, nn.modules.batchnorm._BatchNorm)}
    epsilon = _by_official_name(case.spec["layernorm_names"], norms)
    moments = _by_official_name(case.spec["batchnorm_names"], batch_norms)
    rates = {name: m.drop_prob for name, m in modules.items() if isinstance(m, DropPath) and m.drop_prob}
    ours: dict[str, list] = {
        "layernorm_eps": [norm.eps for norm in epsilon],
        "batchnorm_eps_momentum": [[norm.eps, norm.momentum] for norm in moments],
        "drop_path": [_rate(rates, name) for name in case.spec["drop_path_names"]],
    }
    assert not rates, f"stochastic depth where the official code has none: {sorted(rates)}"
    assert set(case.outputs) == set(ours)
    for name, values in ours.items():
        check_entry(case, "output", name, torch.tensor(values, dtype=torch.float64), case.outputs[name])


def _by_official_name(official: list[str], ours: Mapping[str, nn.Module]) -> list:
    names = {theirs: our_names([theirs + ".weight"], "backbone")[theirs + ".weight"] for theirs in official}
    names = {theirs: name.removesuffix(".weight") for theirs, name in names.items()}
    assert set(names.values()) == set(ours), set(names.values()) ^ set(ours)
    return [ours[name] for name in names.values()]


def _rate(rates: dict[str, float], official: str) -> float:
    """Takes out the rate of one official module, which is two modules in a block of ours."""
    if official.startswith(("blocks.", "layers.")):
        first, second = (rates.pop(f"vit.{official}{number}") for number in (1, 2))
        assert first == second, official
        return first
    return rates.pop(official)


def check_pooled_statistics(case: Case, modules: Sequence[nn.Module], part: str) -> None:
    """Statistics of the parameters of several freshly made modules together, and fixed buffers.

    Args:
        case: With outputs ``mean.<official name>``, ``std``, ``absmax``, ``count`` and ``value``.
        modules: As many as were pooled in the record.
        part: Which part of a model they are.
    """
    entries = [dict(module.named_parameters()) | dict(module.named_buffers()) for module in modules]
    official = [name.removeprefix("mean.") for name in case.outputs if name.startswith("mean.")]
    fixed = [name.removeprefix("value.") for name in case.outputs if name.startswith("value.")]
    names = our_names([*official, *fixed], part)
    assert set(names.values()) == set(entries[0]), set(names.values()) ^ set(entries[0])
    tolerance = case.spec["tolerance"]
    for name in official:
        values = torch.cat([entry[names[name]].detach().double().flatten() for entry in entries])
        mean, std, largest, count = (
            float(case.outputs[f"{kind}.{name}"]) for kind in ("mean", "std", "absmax", "count")
        )
        assert values.numel() == count, f"{name}: {values.numel()} values, recorded {count:g}"
        if std == 0:
            assert (values.float() == torch.tensor(mean).float()).all(), f"{name}: not {mean:g} everywhere"
            continue
        by_count = "std" if count >= tolerance["std"]["if_count_at_least"] else "std_small"
        ours = float(values.std(correction=0))
        assert abs(ours - std) <= tolerance[by_count]["rtol"] * std, (
            f"{name}: deviation {ours:g}, recorded {std:g}"
        )
        assert abs(values.mean()) <= 4 * std / count**0.5, (
            f"{name}: mean {values.mean():g} of {count:g} values"
        )
        if name in case.spec["uniform"]:
            bound = float(values.abs().max())
            assert abs(bound - largest) <= tolerance["absmax_uniform"]["rtol"] * largest, (
                f"{name}: largest {bound:g}, recorded {largest:g}"
            )
    for name in fixed:
        value = entries[0][names[name]]
        assert torch.equal(value.flatten().double(), case.outputs[f"value.{name}"].flatten().double()), name
