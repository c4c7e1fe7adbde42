"""Tensors of a file into tensors of a model: state dicts in, state dicts out."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

import torch
from torch import Tensor, nn

from vit_adapter.config import InputError

from .files import WeightsFile
from .report import LoadReport, compact

# What a file may have in front of every name, or lack, beside what `files` takes off.
_PREFIXES = ("", "backbone.", "backbone.vit.", "module.", "model.", "model.backbone.", "vit.")


def fit_state(
    target: Mapping[str, Tensor],
    source: Mapping[str, Tensor],
    *,
    on_mismatch: Literal["error", "keep"] = "error",
    allow_missing: Sequence[str] = (),
    allow_unused: Sequence[str] = (),
    broadcast: bool = False,
    resampled: Mapping[str, str] | None = None,
    left_out: Iterable[str] = (),
    file: WeightsFile | None = None,
    where: str | None = None,
    notes: Iterable[str] = (),
) -> tuple[dict[str, Tensor], LoadReport]:
    """Chooses for every entry of a model what it gets from a file.

    Args:
        target: Entries of the model by name; meta tensors are enough.
        source: Entries of the file by the same names, or all with one more or one less prefix.
        on_mismatch: "error": another shape, a missing entry or one too many is an error. "keep": the model
            keeps its own, the file's is left out, and the report says so (published behaviour).
        allow_missing: Patterns (``*`` for anything) of entries that the file need not have.
        allow_unused: Patterns of entries that the model need not have.
        broadcast: Take a tensor that can be broadcast to the model's shape, as the official ViT loader does
            (behaviour 95).
        resampled: Entries of ``source`` that were resampled before, with old and new shape; for the report.
        left_out: Entries of the file that were dropped before; for the report.
        file: Where ``source`` was read from.
        where: How messages name that place; None: the path of ``file``.
        notes: Further lines of the report.

    Returns:
        The chosen tensors by the model's names, of its types and shapes; and the report.

    Raises:
        InputError: Nothing matches, or something differs and ``on_mismatch`` is "error".
    """
    where = where or (file.path if file is not None else "weights")
    source, prefix_note = align_names(target, source)
    chosen: dict[str, Tensor] = {}
    loaded: list[str] = []
    spread: dict[str, str] = {}
    kept: dict[str, str] = {}
    new: list[str] = []
    resampled = dict(resampled or {})
    for name, own in target.items():
        found = source.get(name)
        if found is None:
            new.append(name)
        elif found.shape == own.shape:
            chosen[name] = found.to(own.dtype)
            if name not in resampled:
                loaded.append(name)
        elif broadcast and _broadcasts(found, own):
            chosen[name] = found.to(own.dtype).expand(own.shape).clone()
            spread[name] = f"{tensor_shape_text(found)} to {tensor_shape_text(own)}"
        else:
            kept[name] = f"{tensor_shape_text(found)} in the file, {tensor_shape_text(own)} in the model"
    unused = [name for name in source if name not in target]
    # With names in common, the check of shapes says more.
    if not chosen and not (kept and on_mismatch == "error"):
        raise InputError(
            f"{where}: 0 of {len(target)} tensors matched; the file has e.g. {_example(source)}, the model e.g. "
            f"{_example(target)}"
        )
    if on_mismatch == "error":
        _check(
            where,
            kept,
            [name for name in new if not _any(name, allow_missing)],
            [name for name in unused if not _any(name, allow_unused)],
        )
    report = LoadReport(
        source=where,
        total=len(target),
        loaded=tuple(loaded),
        resampled={name: text for name, text in resampled.items() if name in chosen},
        broadcast=spread,
        kept=kept,
        new=tuple(new),
        left_out=(*unused, *left_out, *(file.left_out if file is not None else ())),
        notes=(*(file.notes if file is not None else ()), *prefix_note, *notes),
    )
    return chosen, report


def optional_entries(module: nn.Module) -> list[str]:
    """Entries that keep their own value where a file lacks them, as the parts of a module declare them."""
    return [
        f"{prefix}.{name}" if prefix else name
        for prefix, part in module.named_modules()
        for name in getattr(part, "optional_entries", ())
    ]


def align_names(
    target: Mapping[str, Tensor], source: Mapping[str, Tensor]
) -> tuple[Mapping[str, Tensor], list[str]]:
    """Takes a prefix off all names of a file, or puts one in front, where that makes more of them match.

    Returns:
        The file's tensors under the names that match best, and a note where they were changed.
    """
    best, best_count, note = source, sum(name in target for name in source), ""
    for prefix in _PREFIXES[1:]:
        forms = [
            (
                {prefix + name: value for name, value in source.items()},
                f"{prefix!r} was put before every name",
            )
        ]
        if all(name.startswith(prefix) for name in source):
            shorter = {name[len(prefix) :]: value for name, value in source.items()}
            forms.append((shorter, f"{prefix!r} was taken off every name"))
        for form, text in forms:
            count = sum(name in target for name in form)
            if count > best_count:
                best, best_count, note = form, count, text
    return best, [note] if note else []


def tensor_shape_text(tensor: Tensor) -> str:
    """``768 x 3 x 16 x 16``, or ``single`` for a number."""
    return " x ".join(str(side) for side in tensor.shape) or "single"


def _broadcasts(found: Tensor, own: Tensor) -> bool:
    try:
        return torch.broadcast_shapes(found.shape, own.shape) == own.shape
    except RuntimeError:
        return False


def _check(where: str, kept: Mapping[str, str], missing: Sequence[str], unused: Sequence[str]) -> None:
    problems = []
    if kept:
        name = next(iter(kept))
        problems.append(f"{len(kept)} of another shape, first {name} ({kept[name]})")
    if missing:
        problems.append(f"{len(missing)} missing: {compact(missing, 4)}")
    if unused:
        problems.append(f"{len(unused)} unknown: {compact(unused, 4)}")
    if problems:
        raise InputError(f"{where}: does not fit the model: {'; '.join(problems)}")


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _example(state: Mapping[str, Tensor]) -> str:
    name = next(iter(state), None)
    return "nothing" if name is None else f"{name!r} ({tensor_shape_text(state[name])})"
