"""The one progress bar: of images, steps or bytes, on the error stream unless told otherwise."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


class ProgressBar:
    """What is done, a bar, how much of it, and the time left; to be used with ``with``, or begun and ended.

    Args:
        what: What is done, in words.
        total: How much there is; None: not known.
        done: How much is done already.
        in_bytes: Amounts are bytes, shown with their rate; otherwise they are counted.
        shown: False: nothing is drawn.
        own_estimate: The time left is what ``update`` is told, beside the time that has passed; otherwise it is
            estimated from the amounts.
        console: Where it is drawn; None: the error stream.
    """

    def __init__(
        self,
        what: str,
        total: int | None,
        *,
        done: int = 0,
        in_bytes: bool = False,
        shown: bool = True,
        own_estimate: bool = False,
        console: "Console | None" = None,
    ) -> None:
        self._bar: Any = None
        if not shown:
            return
        from rich import progress
        from rich.console import Console

        amount = progress.DownloadColumn() if in_bytes else progress.MofNCompleteColumn()
        figures = progress.TextColumn("{task.fields[figures]}", markup=False)
        time: list[progress.ProgressColumn] = [progress.TimeRemainingColumn()]
        if in_bytes:
            time = [progress.TransferSpeedColumn()]
        if own_estimate:
            left = progress.TextColumn("{task.fields[left]}", style="progress.remaining")
            time = [progress.TimeElapsedColumn(), left]
        text = progress.TextColumn("{task.fields[what]}", markup=False)
        self._bar = progress.Progress(
            text, progress.BarColumn(), amount, figures, *time, console=console or Console(stderr=True)
        )
        fields = {"figures": "", "left": ""}
        self._task = self._bar.add_task("", total=total, completed=done, what=what, **fields)
        self._part = self._bar.add_task("", total=None, visible=False, what="", **fields)

    def begin(self) -> None:
        """Draws it."""
        if self._bar is not None:
            self._bar.start()

    def end(self) -> None:
        """Draws it for the last time."""
        if self._bar is not None:
            self._bar.stop()

    def __enter__(self) -> "ProgressBar":
        """Draws it."""
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        """Draws it for the last time."""
        self.end()

    @property
    def shown(self) -> bool:
        """Whether anything is drawn."""
        return self._bar is not None

    def advance(self, amount: int = 1) -> None:
        """So much more is done; a part is over."""
        if self._bar is not None:
            self._bar.advance(self._task, amount)
            self._bar.update(self._part, visible=False)

    def update(
        self,
        done: int | None = None,
        total: int | None = None,
        *,
        what: str | None = None,
        figures: str | None = None,
        left: str | None = None,
    ) -> None:
        """Changes what is named.

        Args:
            done: How much is done.
            total: How much there is.
            what: What is done.
            figures: Figures beside the amounts.
            left: The time left, in words.
        """
        if self._bar is not None:
            fields = {"what": what, "figures": figures, "left": left}
            given = {name: text for name, text in fields.items() if text is not None}
            self._bar.update(self._task, completed=done, total=total, **given)

    def part(self, what: str, done: int, total: int) -> None:
        """Shows a second bar below for the parts of what is being done now, where there are several."""
        if self._bar is not None:
            self._bar.update(self._part, completed=done, total=total, what=what, visible=total > 1)
