"""From what a checkpoint holds to one flat dictionary of tensors."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vit_adapter.config import InputError

# In this order, as the official loaders look for them (behaviour 96).
_OFFICIAL_CONTAINERS = ("state_dict", "model", "module")
# Besides these, a training file holds entries with tensors that are not weights.
_NO_WEIGHTS = re.compile(
    r"(?:^|_)(?:optim|sched|scaler|amp(?:$|_)|criterion|loss|callback|loop|hyper|config|cfg|args|meta|rng|sampler"
    r"|epoch|iter)"
)
# Parts of self-supervised training that are no backbone.
_TRAINING_HEADS = ("dino_head.", "ibot_head.", "dino_loss.", "ibot_loss.", "gram_backbone.")
_WRAPPERS = ("module.", "model.", "backbone.", "_orig_mod.")


def is_tensor(value: Any) -> bool:
    """A tensor, or a numpy array of numbers."""
    return isinstance(value, Tensor) or (isinstance(value, np.ndarray) and value.dtype.kind in "biuf")


def find_tensors(
    content: Any, name: str, part: str | None = None
) -> tuple[dict[str, Tensor], list[str], dict[str, Any], list[str]]:
    """Finds the state dict in the content of a file.

    Args:
        content: What was read.
        name: How messages name the file.
        part: Entry to take where there are several, such as "teacher", "model_ema" or, for one that is nested deeper,
            "average/weights".

    Returns:
        The tensors by name; the entries that led there, outermost first; the other entries of the file; notes
        for the report.

    Raises:
        InputError: There is none, or several that are equally plausible and no ``part`` is given.
    """
    trail: list[str] = []
    notes: list[str] = []
    others: dict[str, Any] = {}
    wanted = [] if part is None else part.split("/")
    while True:
        if not isinstance(content, Mapping):
            kind = getattr(content, "type_name", "") or type(content).__name__
            raise InputError(
                f"{name}: holds a {kind}, expected named tensors; save the weights with "
                "torch.save(model.state_dict(), path)"
            )
        # An entry that holds only named tensors is a state dict, whatever its own name.
        inner = [key for key, value in content.items() if isinstance(key, str) and _holds_tensors(value)]
        if any(is_tensor(value) for value in content.values()) and not set(inner) & set(_OFFICIAL_CONTAINERS):
            break
        candidates = [key for key in inner if not _NO_WEIGHTS.search(key.lower())]
        if not candidates:
            shown = ", ".join(repr(str(key)) for key in list(content)[:6]) or "nothing"
            raise InputError(f"{name}: no tensors found; it holds {shown}")
        taken = _choose(candidates, name, wanted, trail)
        if wanted and taken == wanted[0]:
            wanted = wanted[1:]
        if len(candidates) > 1:
            rest = ", ".join(repr(key) for key in candidates if key != taken)
            notes.append(f"the half {taken!r} of the file was taken, {rest} left out")
        others.update(
            {key: value for key, value in content.items() if key != taken and key not in candidates}
        )
        trail.append(taken)
        content = content[taken]
    if wanted:
        raise InputError(f"{name}: has no entry {part!r} with tensors; it holds {_shown(inner or content)}")
    tensors = {str(key): _tensor(value) for key, value in content.items() if is_tensor(value)}
    others.update({key: value for key, value in content.items() if not is_tensor(value)})
    return tensors, trail, others, notes


def strip_prefixes(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str, list[str]]:
    """Takes off what training wrappers put in front of every name: module., model., backbone., _orig_mod.

    A prefix is removed only when all names have it, the heads of self-supervised training excepted, which are left out
    with it. ``_orig_mod.`` is removed wherever it occurs.

    Args:
        state: Tensors by name.

    Returns:
        The tensors by their shorter names, the prefix that was taken off, the names left out.
    """
    wrapped = any("_orig_mod." in key for key in state)
    state = {key.replace("_orig_mod.", ""): value for key, value in state.items()}
    removed = "_orig_mod." if wrapped else ""
    left_out: list[str] = []
    while True:
        heads = [key for key in state if key.startswith(_TRAINING_HEADS)]
        rest = [key for key in state if not key.startswith(_TRAINING_HEADS)]
        prefix = next(
            (item for item in _WRAPPERS if rest and all(key.startswith(item) for key in rest)), None
        )
        if prefix is None:
            return state, removed, left_out
        removed += prefix
        left_out += heads
        state = {key[len(prefix) :]: state[key] for key in rest}


def _choose(candidates: list[str], name: str, wanted: list[str], trail: list[str]) -> str:
    """The entry to go on with: the wanted one, else the only or the usual one."""
    if wanted and wanted[0] in candidates:
        return wanted[0]
    if len(candidates) == 1:
        return candidates[0]
    if set(candidates) == {"teacher", "student"}:
        return "teacher"  # what self-supervised methods publish
    official = [key for key in _OFFICIAL_CONTAINERS if key in candidates]
    if official and set(candidates) <= set(_OFFICIAL_CONTAINERS):
        return official[0]
    ways = ["/".join([*trail, key]) for key in candidates]
    raise InputError(
        f"{name}: holds {len(candidates)} sets of weights, {_shown(ways)}; say which one by adding "
        f"'#{ways[0]}' (or another of these names) to the path"
    )


def _shown(names: Iterable[Any]) -> str:
    return ", ".join(repr(str(item)) for item in list(names)[:6])


def _holds_tensors(value: Any, depth: int = 3) -> bool:
    if not isinstance(value, Mapping) or depth == 0:
        return False
    return any(
        isinstance(key, str) and (is_tensor(item) or _holds_tensors(item, depth - 1))
        for key, item in value.items()
    )


def _tensor(value: Any) -> Tensor:
    tensor = value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
    return tensor.detach()
