"""What a request asks for: the parameters of its address, and the kind of answer."""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from vit_adapter.api.open_model import OpenModel
from vit_adapter.api.predictor import PredictionSettings
from vit_adapter.config import InputError

from .problems import Refusal

Form = Literal["json", "map", "overlay"]
FORMS: tuple[Form, ...] = get_args(Form)


@dataclass(frozen=True)
class Wanted:
    """A request's parameters, checked.

    Attributes:
        wish: What is asked of the model.
        form: What is answered: values as JSON, or a PNG with a map or an overlay.
        masks: JSON with run-lengths; None: of objects and segments.
        ids: Values in a label map.
        alpha: Opacity in an overlay, 0..1.
        legend: Whether an overlay has a legend beside it.
    """

    wish: PredictionSettings
    form: Form
    masks: bool | None
    ids: Literal["own", "contiguous"]
    alpha: float
    legend: bool


def _flag(text: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in known:
        raise ValueError("true or false")
    return known[text.lower()]


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return read


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("a number") from None


def _share(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise ValueError("a number from 0 to 1")
    return value


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError("a whole number")
    return int(text)


READERS: dict[str, Callable[[str], Any]] = {
    "format": _one_of(*FORMS),
    "task": str,
    "threshold": _number,
    "score_threshold": _number,
    "mask_threshold": _number,
    "min_area": _count,
    "masks": _flag,
    "ids": _one_of("own", "contiguous"),
    "alpha": _share,
    "legend": _flag,
}
"""All parameters; what one cannot read it says in the words after "expected"."""


def read_wanted(parameters: Iterable[tuple[str, str]], accept: str | None, model: OpenModel) -> Wanted:
    """What a request asks for.

    Args:
        parameters: Of its address, names and texts.
        accept: Its header of this name.
        model: Whose tasks and thresholds count.

    Raises:
        Refusal: A parameter is unknown, is given twice or cannot be used, or there is no answer of the kind that is
            accepted.
    """
    values: dict[str, Any] = {}
    for name, text in parameters:
        if name not in READERS:
            near = difflib.get_close_matches(name, READERS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(READERS)}"
            raise Refusal(400, f"{name[:50]}: no such parameter; {hint}")
        if name in values:
            raise Refusal(400, f"{name}: is given twice")
        try:
            values[name] = READERS[name](text)
        except ValueError as error:
            raise Refusal(400, f"{name}={text[:50]}: expected {error}") from None
    asked = ("task", "threshold", "score_threshold", "mask_threshold", "min_area")
    try:
        wish = model.wish(**{name: values[name] for name in asked if name in values})
    except InputError as error:
        raise Refusal(400, model.told(error)) from None
    form = values.get("format") or accepted_form(accept)
    if form == "map" and wish.task == "detection":
        raise Refusal(400, "format=map: boxes have no map; ask for json or overlay")
    return Wanted(
        wish,
        form,
        values.get("masks"),
        values.get("ids", "own"),
        values.get("alpha", 0.5),
        values.get("legend", True),
    )


def accepted_form(accept: str | None) -> Form:
    """The form of an answer that an Accept header prefers: a PNG is the map; without a header it is JSON.

    Raises:
        Refusal: It accepts neither JSON nor PNG.
    """
    best: tuple[float, Form] | None = None
    for part in (accept or "*/*").split(","):
        kind, *options = (word.strip().lower() for word in part.split(";"))
        form = {"application/json": "json", "application/*": "json", "*/*": "json"}.get(kind)
        form = form or {"image/png": "map", "image/*": "map"}.get(kind)
        weight = 1.0
        for option in options:
            if option.startswith("q="):
                try:
                    weight = float(option[2:])
                except ValueError:
                    weight = 0.0
        if form is not None and weight > 0 and (best is None or weight > best[0]):
            best = (weight, cast(Form, form))
    if best is None:
        raise Refusal(406, f"Accept: {(accept or '')[:80]}: the answers are application/json and image/png")
    return best[1]
