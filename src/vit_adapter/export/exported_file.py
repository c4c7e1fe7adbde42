"""A file that ``api.export`` wrote, and the calls of its graph with windows of images. No torch here."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from vit_adapter.annotations import Window
from vit_adapter.config import ClassTable, InferenceConfig, InputError
from vit_adapter.config.backbone import COARSEST_STRIDE
from vit_adapter.images import multiple_size, pad
from vit_adapter.inference.augmentation import plan_views
from vit_adapter.inference.grid import Size

from .description import files_of, seen_size
from .graph import open_graph


class ExportedFile:
    """An exported file, for onnxruntime or for OpenVINO.

    Args:
        file: The file.
        processor_only: Leave out accelerators that the runtime was built for.

    Attributes:
        file: The file.
        description: What it says of itself.

    Raises:
        InputError: It cannot be read, or was not written by vit-adapter.
        ModuleNotFoundError: The runtime is not installed.
    """

    def __init__(self, file: str | Path, processor_only: bool = False) -> None:
        self.file = Path(file)
        self._graph, self.description = open_graph(file, processor_only)

    @property
    def classes(self) -> ClassTable:
        """The classes."""
        return self.description.classes

    @property
    def protocol(self) -> InferenceConfig:
        """How the model is applied to an image."""
        return self.description.protocol

    def digest(self) -> str:
        """Equal for equal files."""
        digest = hashlib.sha256()
        for path in files_of(self.file):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()

    def pads(self, size: Size, protocol: InferenceConfig) -> bool:
        """Whether windows of an image of (height, width) are smaller than what the file takes.

        They are padded with the mean colour, which a model folder does up to multiples of 32 only.
        """
        views = [multiple_size(view.padded, COARSEST_STRIDE) for view in plan_views(size, protocol)]
        return any(
            side < wanted for view in views for side, wanted in zip(view, seen_size(self.description, view))
        )

    def calls(
        self,
        windows: Sequence[Window],
        cut: Callable[[int], np.ndarray],
        batch_size: int,
        counted: Callable[[int], object],
    ) -> Iterator[tuple[range, Size, list[np.ndarray]]]:
        """Runs the graph on windows of one size, several in a call where it can.

        Args:
            windows: Places of the windows.
            cut: From the number of a window to its pixels, float32 [1, C, h, w], normalised.
            batch_size: Most windows in a call.
            counted: See ``labels``.

        Yields:
            The numbers of the windows of a call, (height, width) that the graph saw, and its outputs [B, ...].
        """
        batch = batch_size if self.description.size is None else 1
        height, width = windows[0].height, windows[0].width
        size = seen_size(self.description, (height, width))
        if height > size[0] or width > size[1]:
            raise InputError(
                f"{self.file}: takes images of {size[1]}x{size[0]} pixels, a window has {width}x{height}; export "
                "with --dynamic"
            )
        for start in range(0, len(windows), batch):
            numbers = range(start, min(start + batch, len(windows)))
            # Padded with the normalised value 0, the mean colour, as a segmenter does.
            images = np.stack(
                [pad(cut(number)[0].transpose(1, 2, 0), size, 0).transpose(2, 0, 1) for number in numbers]
            )
            outputs = self._graph.run(np.ascontiguousarray(images))
            counted(len(numbers))
            if any(output.dtype == np.float32 and not np.isfinite(output).all() for output in outputs):
                raise InputError(f"{self.file}: gave numbers that are not finite")
            yield numbers, size, outputs
