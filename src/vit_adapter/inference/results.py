"""What a prediction gives back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from vit_adapter.config import InputError
from vit_adapter.config.files import write_atomically
from vit_adapter.visualization import default_palette, overlay_picture

from .application import SCORES_LIMIT_BYTES


@dataclass(frozen=True, eq=False)
class Result:
    """The segmentation of one picture.

    Attributes:
        labels: Class of every pixel [H, W], 0..K-1; uint8, or uint16 for more than 255 classes. A model of one class
            gives 255 where nothing is.
        class_names: Names of the K classes.
        image: The picture itself [H, W, C], upright.
        palette: uint8 [K, 3], RGB; None: ``default_palette``.
        ids: The value of each class in the user's own masks, 0..65535; None: 0..K-1.
        ignore_id: The value of pixels without a class in those masks.
        make_scores: From the largest size in bytes (None: any) to the probabilities; what ``scores`` calls.
        instances: Of an instance head; None: it has none.
        segments: Panoptic segments; None: the head gives none.
    """

    labels: np.ndarray
    class_names: tuple[str, ...]
    image: np.ndarray = field(repr=False)
    palette: np.ndarray | None = field(default=None, repr=False)
    ids: tuple[int, ...] | None = field(default=None, repr=False)
    make_scores: Callable[[int | None], np.ndarray] | None = field(default=None, repr=False)
    instances: Any = None
    segments: Any = None
    ignore_id: int = field(default=255, repr=False)

    def __post_init__(self) -> None:
        if self.palette is None:
            object.__setattr__(self, "palette", default_palette(len(self.class_names)))
        if self.ids is None:
            object.__setattr__(self, "ids", tuple(range(len(self.class_names))))

    @cached_property
    def scores(self) -> np.ndarray:
        """Probabilities float32 [K, H, W], made at the first access and kept.

        Small scores were held from the prediction; otherwise the model runs again, as it is now.

        Raises:
            InputError: They would be larger than 4 GiB (``all_scores`` makes them all the same), or the result
                was made without a model.
        """
        return self._make_scores(SCORES_LIMIT_BYTES)

    def all_scores(self) -> np.ndarray:
        """As ``scores``, of any size and not kept.

        Raises:
            InputError: The result was made without a model.
        """
        return self._make_scores(None)

    def _make_scores(self, limit_bytes: int | None) -> np.ndarray:
        if self.make_scores is None:
            raise InputError(
                "this result holds labels only: it was made without a model that could give scores"
            )
        return self.make_scores(limit_bytes)

    def overlay(self, alpha: float = 0.5, legend: bool = True) -> Image.Image:
        """The picture with its classes in colour.

        Args:
            alpha: Opacity of the colours, 0 to 1.
            legend: With names and shares of the classes beside it.
        """
        return overlay_picture(
            self.image, self.labels, self.palette, self.class_names, alpha=alpha, legend=legend
        )

    def own_ids(self) -> np.ndarray:
        """Labels with the values of the user's own masks: uint8 [H, W], or uint16 where an id is above 255."""
        assert self.ids is not None
        count = len(self.ids)
        nothing = bool((self.labels >= count).any())
        ids = np.array([*self.ids, self.ignore_id] if nothing else self.ids)
        return ids.astype(np.uint8 if ids.max(initial=0) <= 255 else np.uint16)[
            np.minimum(self.labels, count)
        ]

    def save(
        self,
        folder: str | Path,
        stem: str,
        ids: Literal["own", "contiguous"] = "own",
        scores: bool = False,
        alpha: float = 0.5,
    ) -> list[Path]:
        """Writes ``STEM_labels.png`` (8 or 16 bits), ``STEM_overlay.png`` and, if asked for, ``STEM_scores.npy``.

        Args:
            folder: Where to; made if it is missing.
            stem: Beginning of the names.
            ids: Labels as the "own" masks' values, or "contiguous" 0..K-1.
            scores: Write the probabilities as well, float32 [K, H, W].
            alpha: Opacity of the colours in the overlay, 0 to 1.

        Returns:
            The files written.

        Raises:
            InputError: ``ids`` is neither; a file cannot be written; scores are too large.
        """
        if ids not in ("own", "contiguous"):
            raise InputError(f"ids is {ids!r}, expected 'own' or 'contiguous'")
        # First of all: what cannot be made shall not leave half a set of files.
        probabilities = self.scores if scores else None
        drawn = self.overlay(alpha)
        labels = self.own_ids() if ids == "own" else self.labels
        folder = Path(folder)
        files = [
            write_atomically(folder / f"{stem}_labels.png", Image.fromarray(labels).save),
            write_atomically(folder / f"{stem}_overlay.png", drawn.save),
        ]
        if probabilities is not None:
            file = folder / f"{stem}_scores.npy"
            files.append(write_atomically(file, lambda path: np.save(path, probabilities)))
        return files
