"""Operators in several forms: one place that chooses, forces and records which form runs.

A form is a way to compute an operator. The form "reference" is the plain one, written as the paper writes it; the
others give the same numbers in less time. Which one runs follows from the arguments alone (device, type, sizes, whether
gradients are wanted), by a rule that the operator states; nothing is measured and nothing falls back in silence.

An operator and its forms::

    def _reference(maps: Tensor, factor: int) -> Tensor: ...

    def _choose(maps: Tensor, factor: int) -> str:
        return "fast" if maps.is_cuda else "reference"

    my_operator = Operator("my_operator", _reference, _choose, rule="fast on CUDA, else reference")

    @my_operator.form("fast", missing=lambda: None if has_triton() else "Triton is not installed")
    def _fast(maps: Tensor, factor: int) -> Tensor: ...

    my_operator(maps, 2)

Users and tests::

    with forms("reference"):                      # every operator
        model(images)
    with forms(my_operator="fast"):               # one of them; the others are chosen as usual
        model(images)
    with recorded_forms() as ran:
        model(images)
    print(ran)                                    # {"my_operator": {"fast": 4}}
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _global_forward_hooks, _global_forward_pre_hooks

from vit_adapter.config import InputError

Arguments = ParamSpec("Arguments")
Output = TypeVar("Output")

REFERENCE = "reference"
"""Name of every operator's plain form."""
OPERATORS: dict[str, "Operator"] = {}
"""Every operator by its name."""
FormCounts = dict[str, dict[str, int]]
"""How often which form of which operator ran: ``{operator: {form: calls}}``."""

# Plain dictionaries, which torch.compile can read (and guard on); context variables it cannot in all versions.
_FORCED: dict[str, str] = {}
_RECORDS: list[FormCounts] = []


class Operator(Generic[Arguments, Output]):
    """A function with several forms that give the same numbers.

    Args:
        name: Its name: a Python identifier, as ``forms`` takes it.
        reference: The plain form.
        choose: From the arguments to the name of the form that runs when none is forced. It may only choose what can
            run with these arguments on this machine.
        rule: What ``choose`` does, in one line for people.

    Attributes:
        forms: Every form by its name, "reference" first.

    Raises:
        ValueError: The name is taken, or no identifier.
    """

    def __init__(
        self,
        name: str,
        reference: Callable[Arguments, Output],
        choose: Callable[Arguments, str],
        rule: str,
    ) -> None:
        if name in OPERATORS or not name.isidentifier():
            raise ValueError(f"an operator cannot be named {name!r}: taken, or no identifier")
        self.name, self.choose, self.rule = name, choose, rule
        self.forms: dict[str, Callable[Arguments, Output]] = {REFERENCE: reference}
        self._missing: dict[str, Callable[[], str | None]] = {}
        self.__doc__ = reference.__doc__
        OPERATORS[name] = self

    def form(
        self, name: str, missing: Callable[[], str | None] = lambda: None
    ) -> Callable[[Callable[Arguments, Output]], Callable[Arguments, Output]]:
        """Decorator that adds a form.

        Args:
            name: Its name.
            missing: What this machine or installation lacks to run it; None: nothing.
        """

        def add(function: Callable[Arguments, Output]) -> Callable[Arguments, Output]:
            self.forms[name], self._missing[name] = function, missing
            return function

        return add

    def missing(self, form: str) -> str | None:
        """What this machine or installation lacks to run a form; None: nothing."""
        return self._missing[form]() if form in self._missing else None

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Output:
        """Runs the forced or the chosen form."""
        name = _FORCED.get(self.name)
        if name is None:
            name = self.choose(*args, **kwargs)
        for record in _RECORDS:
            counts = record.setdefault(self.name, {})
            counts[name] = counts.get(name, 0) + 1
        return self.forms[name](*args, **kwargs)


@contextmanager
def forms(every: str | None = None, /, **forced: str) -> Iterator[None]:
    """Forces forms of operators inside a ``with`` block, in all threads of the process.

    Args:
        every: A form for every operator that has it, such as "reference"; None: only those named.
        forced: Form by the name of its operator. A form that cannot compute the arguments it meets raises.

    Raises:
        InputError: No operator or form of that name, or the machine lacks what it needs.
    """
    wanted = {name: every for name, operator in OPERATORS.items() if every in operator.forms} if every else {}
    if every and not wanted:
        raise InputError(f"no operator has a form {every!r}")
    wanted |= forced
    for name, form in wanted.items():
        if name not in OPERATORS:
            raise InputError(f"{name!r} is no operator; there are {', '.join(OPERATORS)}")
        operator = OPERATORS[name]
        if form not in operator.forms:
            raise InputError(f"{name} has no form {form!r}; it has {', '.join(operator.forms)}")
        lack = operator.missing(form)
        if lack is not None:
            raise InputError(f"the form {form!r} of {name} cannot run here: {lack}")
    before = dict(_FORCED)
    _FORCED.update(wanted)
    try:
        yield
    finally:
        _FORCED.clear()
        _FORCED.update(before)


@contextmanager
def recorded_forms() -> Iterator[FormCounts]:
    """Counts which forms run inside a ``with`` block, in all threads of the process.

    Yields:
        ``{operator: {form: calls}}``, filled as operators run; calls of a compiled model are those of its tracing.
    """
    record: FormCounts = {}
    _RECORDS.append(record)
    try:
        yield record
    finally:
        # By identity: two records may be equal.
        _RECORDS[:] = [one for one in _RECORDS if one is not record]


def describe_forms() -> list[tuple[str, str]]:
    """Every operator with its rule and forms, for people.

    Returns:
        (operator, text) pairs; a form that cannot run here says why.
    """
    lines = []
    for name, operator in OPERATORS.items():
        lines.append((name, operator.rule))
        named = [(form, operator.missing(form)) for form in operator.forms]
        texts = [form if lack is None else f"{form} (not here: {lack})" for form, lack in named]
        forced = f"; forced: {_FORCED[name]}" if name in _FORCED else ""
        lines.append(("", f"forms: {', '.join(texts)}{forced}"))
    return lines


def is_traced() -> bool:
    """Whether torch.compile or an export records operators: then shapes may be symbols, and forms should be plain."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def all_parts(module: nn.Module) -> tuple[nn.Module, ...]:
    """A module and all inside it, for ``overwrites``; where operators are traced nobody asks."""
    return () if is_traced() else tuple(module.modules())


def overwrites(maps: Tensor, *makers: nn.Module) -> bool:
    """Whether a form may write its result over maps that nobody else needs: in inference on the CPU.

    There, taking a large result's memory from the system takes longer than to compute it.

    Args:
        maps: What would be written over.
        makers: The modules that it comes from; a hook may have kept what one of them took or gave.
    """
    if torch.is_grad_enabled() or is_traced() or maps.device.type != "cpu":
        return False
    if _global_forward_hooks or _global_forward_pre_hooks:
        return False
    return not any(maker._forward_hooks or maker._forward_pre_hooks for maker in makers)
