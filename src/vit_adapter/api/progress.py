"""The one progress bar of commands that go over files."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def progress_bar(what: str, total: int, quiet: bool = False) -> Iterator["ImageProgress"]:
    """A bar on the error stream: of the images, and below it of the windows of the current one."""
    if quiet:
        yield ImageProgress(None, what, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield ImageProgress(bar, what, total)


class ImageProgress:
    """Progress of the work.

    Args:
        bar: rich's ``Progress``; None: nothing is shown.
        what: What is done.
        total: Number of images.
    """

    def __init__(self, bar: Any, what: str, total: int) -> None:
        self._bar = bar
        self._images = None if bar is None else bar.add_task(what, total=total)
        self._windows = None if bar is None else bar.add_task("windows", total=None, visible=False)

    def advance(self) -> None:
        """One image is done."""
        if self._bar is not None:
            self._bar.advance(self._images)
            self._bar.update(self._windows, visible=False)

    @contextmanager
    def windows(self, model: nn.Module, total: int) -> Iterator[None]:
        """Count the windows that go through a model's backbone in this block.

        Args:
            model: With ``backbone``.
            total: Number of windows of the image; the bar is shown where there is more than one.
        """
        if self._bar is None:
            yield
            return

        def count(_: nn.Module, images: tuple[Any, ...]) -> None:
            nonlocal started
            # A batch is counted when the next one begins: only then is it done.
            self._bar.update(self._windows, completed=min(started, total))
            started += len(images[0])

        started = 0
        self._bar.reset(self._windows, total=total, visible=total > 1)
        backbone: Any = model.backbone
        hook = backbone.register_forward_pre_hook(count)
        try:
            yield
        finally:
            hook.remove()
