"""Progress of the windows of one image."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from vit_adapter.config.progress_bar import ProgressBar


@contextmanager
def windows_counted(bar: ProgressBar, model: nn.Module, total: int) -> Iterator[None]:
    """Shows the windows that go through a model's backbone in this block.

    Args:
        bar: Of the images.
        model: With ``backbone``.
        total: Number of windows of the image; they are shown where there is more than one.
    """
    if not bar.shown:
        yield
        return

    def count(_: nn.Module, images: tuple[Any, ...]) -> None:
        nonlocal started
        # A batch is counted when the next one begins: only then is it done.
        bar.part("windows", min(started, total), total)
        started += len(images[0])

    started = 0
    bar.part("windows", 0, total)
    backbone: Any = model.backbone
    hook = backbone.register_forward_pre_hook(count)
    try:
        yield
    finally:
        hook.remove()
