"""Random draws of the official code, to be given again in the same order."""

from collections.abc import Sequence
from typing import Any


class RecordedDraws:
    """Gives recorded draws in order, and checks that each one is asked for as it was recorded."""

    def __init__(self, draws: list[dict[str, Any]]) -> None:
        self.left = list(draws)

    def _next(self, functions: tuple[str, ...], *arguments: Any) -> float:
        assert self.left, "more draws than recorded"
        draw = self.left.pop(0)
        recorded = draw["args"]
        if draw["fn"] == "randint" and len(recorded) == 1:
            recorded = [0, *recorded]
        if draw["fn"] == "random.randint (both ends)":
            recorded = [recorded[0], recorded[1] + 1]
        assert draw["fn"] in functions, f"asked for {functions}, recorded {draw['fn']}"
        assert list(arguments) == recorded, f"asked for {functions}{arguments}, recorded {recorded}"
        return draw["value"]

    def random(self) -> float:
        """Recorded as ``rand`` or ``random_sample``."""
        return self._next(("rand", "random_sample"))

    def uniform(self, low: float, high: float) -> float:
        """Recorded as ``uniform``."""
        return self._next(("uniform", "random.uniform"), low, high)

    def integers(self, low: int, high: int) -> int:
        """Recorded as ``randint``."""
        recorded = ("randint", "numpy randint", "random.randint (both ends)")
        return int(self._next(recorded, low, high))

    def choice(self, a: int, *, p: Sequence[float] | None = None) -> int:
        """Recorded as ``choice``: number of entries and, if given, their probabilities."""
        return int(self._next(("choice", "numpy choice"), a, *(() if p is None else (list(p),))))
