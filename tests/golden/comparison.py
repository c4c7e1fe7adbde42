"""When our numbers count as the recorded ones (the golden README's rules)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .case import Case

FLOAT32_OUTPUT = 2e-5
"""Share of an output's largest value that a float32 run may be off."""
FLOAT32_GRADIENT = 1e-4
"""Share of the case's largest gradient that a float32 run may be off."""
HALF_OUTPUT = {torch.bfloat16: 2e-2, torch.float16: 3e-3}
"""The same for runs in half precision."""


@dataclass(frozen=True)
class Tolerance:
    """How far an entry may be off: ``|ours - recorded| <= atol + rtol * |recorded|``, element by element.

    Attributes:
        rtol: Relative part.
        atol: Absolute part.
        of_largest: ``rtol`` counts from the largest value of the entry instead of from each element.
    """

    rtol: float
    atol: float
    of_largest: bool = False

    @property
    def exact(self) -> bool:
        """Nothing may differ."""
        return self.rtol == 0 and self.atol == 0


def tolerance_of(spec: Mapping, section: str, name: str, recorded: Tensor) -> Tolerance:
    """The tolerance of one entry of a case in a float64 run.

    Args:
        spec: The case's specification.
        section: "output" or "grad".
        name: The entry's name without its section.
        recorded: The entry; a type that it is stored in more coarsely than float32 adds its rounding.

    Raises:
        KeyError: The specification has no tolerance for the section.
    """
    entry = spec["tolerance"].get(section)
    if section == "output":
        entry = spec.get("tolerance_by_output", {}).get(name, entry)
    if entry is None:
        raise KeyError(f"the specification has no tolerance for {section} {name}")
    rtol, atol = float(entry["rtol"]), float(entry["atol"])
    by_storage = spec.get("tolerance_by_storage", {}).get(str(recorded.dtype).removeprefix("torch."))
    if by_storage is not None:
        rtol = max(rtol, float(by_storage))
    if recorded.dtype in (torch.float16, torch.bfloat16):
        rtol = max(rtol, torch.finfo(recorded.dtype).eps / 2)
    return Tolerance(rtol, atol, "relative_to" in entry)


def check_exact(ours: Tensor, recorded: Tensor, name: str) -> None:
    """Same shape and same values; floating entries also in the same type.

    Raises:
        AssertionError: They differ.
    """
    _check_shape(ours, recorded, name)
    if recorded.is_floating_point():
        assert ours.dtype == recorded.dtype, f"{name}: type {ours.dtype}, recorded {recorded.dtype}"
    else:
        assert not ours.is_floating_point(), f"{name}: type {ours.dtype}, recorded {recorded.dtype}"
    different = int((ours != recorded).sum())
    assert different == 0, f"{name}: {different} of {recorded.numel()} values differ, expected none"


def check_close(
    ours: Tensor, recorded: Tensor, tolerance: Tolerance, name: str, extra_atol: float = 0.0
) -> None:
    """Within the tolerance, element by element, in float64.

    Raises:
        AssertionError: Shape or values differ, or a value is not finite where the recorded one is.
    """
    _check_shape(ours, recorded, name)
    a, b = ours.detach().double(), recorded.double()
    magnitude = b.abs().nan_to_num(nan=0.0, posinf=0.0)  # what is not finite must be met by the same
    if tolerance.of_largest and b.numel():
        magnitude = magnitude.max().expand_as(b)
    limit = tolerance.atol + extra_atol + tolerance.rtol * magnitude
    error = (a - b).abs()
    within = b.isfinite() & (error <= limit)
    outside = ~(within | (a == b) | (a.isnan() & b.isnan()))
    if outside.any():
        ratio = (error / limit.clamp(min=1e-300))[outside].max()
        raise AssertionError(
            f"{name}: {int(outside.sum())} of {b.numel()} values outside {tolerance}; largest difference "
            f"{error[outside].max():.3g}, {ratio:.3g} times what is allowed; largest recorded value {b.abs().max():.3g}"
        )


def check_share_of_largest(
    ours: Tensor, recorded: Tensor, share: float, name: str, largest: float | None = None
) -> None:
    """``max|ours - recorded| <= share * largest``; the rule of runs in lower precision.

    Args:
        ours: Our values.
        recorded: The recorded ones.
        share: What may be off.
        name: For the message.
        largest: None: the largest recorded magnitude of this entry.

    Raises:
        AssertionError: Shape or values differ, or a value is not finite.
    """
    _check_shape(ours, recorded, name)
    if not recorded.numel():
        return
    a, b = ours.detach().double(), recorded.double()
    largest = float(b.abs().max()) if largest is None else largest
    worst = float((a - b).abs().max())
    # Written so that NaN fails.
    assert worst <= share * largest, f"{name}: off by {worst:.3g}, allowed {share:g} of {largest:.3g}"


def check_labels(labels: Tensor, recorded: Tensor, scores: Tensor, gap: float, name: str) -> None:
    """Same labels wherever the two best recorded scores differ by more than ``gap``; ties decide nothing.

    Args:
        labels: Ours, any shape.
        recorded: The recorded ones, same shape.
        scores: Recorded scores with the classes on axis 0 and the shape of the labels behind it.
        gap: Least distance of the two best scores.
        name: For the message.

    Raises:
        AssertionError: A decided label differs.
    """
    _check_shape(labels, recorded, name)
    assert scores.shape[1:] == recorded.shape, (
        f"{name}: scores {tuple(scores.shape)}, labels {tuple(recorded.shape)}"
    )
    assert not labels.is_floating_point(), f"{name}: labels of type {labels.dtype}"
    decided = torch.ones_like(recorded, dtype=torch.bool)
    if scores.shape[0] > 1:
        best = scores.double().topk(2, dim=0).values
        decided = best[0] - best[1] > gap
    wrong = int(((labels != recorded) & decided).sum())
    assert wrong == 0, f"{name}: {wrong} of {int(decided.sum())} decided labels differ"


def check_outputs(case: Case, ours: Mapping[str, Tensor], skip: Collection[str] = ()) -> None:
    """Every recorded output of a case against ours by the rule of the case's run.

    Args:
        case: The case; its ``dtype`` tells the kind of run.
        ours: Our outputs by name.
        skip: Outputs compared elsewhere; a trailing ``*`` stands for any ending.

    Raises:
        AssertionError: One is missing or differs.
    """
    prefixes = tuple(name[:-1] for name in skip if name.endswith("*"))
    names = [
        name for name in case.outputs if name not in skip and not (prefixes and name.startswith(prefixes))
    ]
    missing = sorted(set(names) - set(ours))
    assert not missing, f"recorded outputs that were not computed: {missing}"
    for name in names:
        check_entry(case, "output", name, ours[name], case.outputs[name])


def check_entry(case: Case, section: str, name: str, ours: Tensor, recorded: Tensor) -> None:
    """One entry by the rule of the case's run; whole numbers and truth values exactly.

    Eight-bit images have a tolerance of their own, in ``tolerance_by_output``.
    """
    label = f"{section} {name}"
    own_tolerance = name in case.spec.get("tolerance_by_output", {})
    if not recorded.is_floating_point() and not own_tolerance:
        check_exact(ours, recorded, label)
    elif case.dtype == torch.float64 or not recorded.is_floating_point():
        tolerance = tolerance_of(case.spec, section, name, recorded)
        if tolerance.exact:
            check_exact(ours, recorded, label)
        else:
            check_close(ours, recorded, tolerance, label)
    else:
        check_share_of_largest(ours, recorded, HALF_OUTPUT.get(case.dtype, FLOAT32_OUTPUT), label)


def check_gradients(
    case: Case, parameters: Mapping[str, Tensor | None], inputs: Mapping[str, Tensor | None]
) -> None:
    """Every recorded gradient of a case against ours, and no gradient where the official code has none.

    Args:
        case: The case.
        parameters: Our gradients by official key.
        inputs: Our gradients by name of the input.

    Raises:
        AssertionError: One is missing, differs, or should not be there.
    """
    pairs = [(name, parameters.get(name), value) for name, value in case.grads.items()]
    pairs += [(name, inputs.get(name), value) for name, value in case.grad_inputs.items()]
    missing = [name for name, ours, _ in pairs if ours is None]
    assert not missing, f"recorded gradients that we lack: {missing}"
    surplus = [name for name in case.spec.get("params_without_grad", []) if parameters.get(name) is not None]
    assert not surplus, f"gradients where the official code has none: {surplus}"
    largest = max((float(value.abs().max()) for _, _, value in pairs if value.numel()), default=0.0)
    extra = case.spec["tolerance"].get("grad", {}).get("atol_of_largest_gradient", 0.0) * largest
    for name, ours, recorded in pairs:
        assert ours is not None
        if case.dtype == torch.float64:
            tolerance = tolerance_of(case.spec, "grad", name, recorded)
            check_close(ours, recorded, tolerance, f"gradient of {name}", extra)
        else:
            check_share_of_largest(ours, recorded, FLOAT32_GRADIENT, f"gradient of {name}", largest)


def _check_shape(ours: Tensor, recorded: Tensor, name: str) -> None:
    assert ours.shape == recorded.shape, (
        f"{name}: shape {tuple(ours.shape)}, recorded {tuple(recorded.shape)}"
    )
