"""What a semantic prediction returns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from vit_adapter.annotations import Annotation
from vit_adapter.config import InputError
from vit_adapter.config.files import write_together
from vit_adapter.config.own_files import marked_png
from vit_adapter.inference.limits import SCORES_LIMIT_BYTES
from vit_adapter.visualization import overlay_image

from .result import Result

PaletteForm = Literal["beside", "instead"]
LARGEST_PALETTE_VALUE = 255


@dataclass(frozen=True, eq=False, kw_only=True)
class SemanticResult(Result):
    """The semantic segmentation of one image.

    Attributes:
        labels: Class of every pixel [H, W], 0..K-1; uint8, or uint16 for more than 255 classes. A model of one class
            gives 255 where nothing is.
        ids: The value of each class in the user's own masks, 0..65535; None: 0..K-1.
        ignore_id: The value of pixels without a class in those masks.
        make_scores: From the largest size in bytes (None: any) to the probabilities; what ``scores`` calls.
    """

    labels: np.ndarray
    ids: tuple[int, ...] | None = field(default=None, repr=False)
    make_scores: Callable[[int | None], np.ndarray] | None = field(default=None, repr=False)
    ignore_id: int = field(default=255, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ids is None:
            object.__setattr__(self, "ids", tuple(range(len(self.class_names))))

    @property
    def annotation(self) -> Annotation:
        """The labels, as evaluators take them."""
        return Annotation(labels=self.labels)

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
        """The image with its classes in colour.

        Args:
            alpha: Opacity of the colours, 0 to 1.
            legend: With names and shares of the classes beside it; small images are enlarged for it. False: the
                overlay has the size of the image.
        """
        return overlay_image(
            self.image,
            self.labels,
            self.palette,
            self.class_names,
            alpha=alpha,
            legend=legend,
            enlarge=legend,
        )

    def palette_png(self, ids: Literal["own", "contiguous"] = "own") -> Image.Image:
        """The label map as a Pillow image of mode "P": the same values, shown in the colours of the classes.

        Args:
            ids: Values as the "own" masks', or "contiguous" 0..K-1. Values of no class are black.

        Raises:
            InputError: A class has a value above 255, which such a file cannot hold.
        """
        check_palette(self.ids or (), self.ignore_id, ids)
        assert self.palette is not None
        labels = self.own_ids() if ids == "own" else self.labels
        values = self.ids if ids == "own" and self.ids is not None else range(len(self.class_names))
        colours = np.zeros((LARGEST_PALETTE_VALUE + 1, 3), np.uint8)
        for value, colour in zip(values, self.palette):
            colours[value] = colour
        image = Image.fromarray(labels.astype(np.uint8))
        image.putpalette(colours.tobytes())
        return image

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
        *,
        overlay: bool = True,
        legend: bool = True,
        palette: PaletteForm | None = None,
        facts: dict[str, object] | None = None,
    ) -> list[Path]:
        """Writes ``STEM_labels.png`` (8 or 16 bits), ``STEM_overlay.png`` and what else is asked for: all or none.

        Every PNG carries a mark, by which ``predict`` knows it for a result.

        Args:
            folder: Where to; made if it is missing.
            stem: Beginning of the names; with "/" in it, folders below ``folder``.
            ids: Labels as the "own" masks' values, or "contiguous" 0..K-1.
            scores: Write the probabilities as ``STEM_scores.npy`` as well, float32 [K, H, W].
            alpha: Opacity of the colours in the overlay, 0 to 1.
            overlay: False: no overlay.
            legend: False: an overlay of the image's own size, without legend.
            palette: "beside": ``STEM_palette.png`` as well, the label map in the colours of the classes (mode "P", the
                same values); "instead": the label map itself has these colours.
            facts: What the mark says besides; plain JSON values.

        Returns:
            The files written.

        Raises:
            InputError: An argument is none of these; a file cannot be written; scores are too large; a class has a
                value above 255 and ``palette`` is asked for.
        """
        if ids not in ("own", "contiguous"):
            raise InputError(f"ids is {ids!r}, expected 'own' or 'contiguous'")
        if palette not in (None, "beside", "instead"):
            raise InputError(f"palette is {palette!r}, expected 'beside', 'instead' or None")
        names = result_files(stem, overlay, palette, scores)
        facts = facts or {}
        plain = Image.fromarray(self.own_ids() if ids == "own" else self.labels)
        coloured = None if palette is None else self.palette_png(ids)
        writers: dict[str, Callable[[Path], object]] = {
            "labels": marked_png(coloured if palette == "instead" else plain, facts),
        }
        if coloured is not None:
            writers["palette"] = marked_png(coloured, facts)
        if overlay:
            writers["overlay"] = marked_png(
                self.overlay(alpha, legend), {**facts, "alpha": alpha, "legend": legend}
            )
        if scores:
            probabilities = self.scores
            writers["scores"] = lambda path: np.save(path, probabilities)
        files = {kind: Path(folder) / name for kind, name in names.items()}
        # The label map last: where it is, the others are.
        write_together({files[kind]: writers[kind] for kind in reversed(files)})
        return list(files.values())


def result_files(stem: str, overlay: bool, palette: PaletteForm | None, scores: bool) -> dict[str, str]:
    """Names of the files that ``SemanticResult.save`` writes, by what they are; the label map first."""
    kinds = {"labels": "png", "overlay": "png", "palette": "png", "scores": "npy"}
    wanted = {"labels": True, "overlay": overlay, "palette": palette == "beside", "scores": scores}
    return {kind: f"{stem}_{kind}.{suffix}" for kind, suffix in kinds.items() if wanted[kind]}


def check_palette(own_ids: Sequence[int], ignore_id: int, ids: str) -> None:
    """Refuses values that a palette PNG cannot hold.

    Raises:
        InputError: One is above 255.
    """
    values = own_ids if ids == "own" else range(len(own_ids))
    largest = max([*values, 0])
    if len(own_ids) == 1 and ids == "own":  # what the model assigns to no class is written as this value
        largest = max(largest, ignore_id)
    if largest > LARGEST_PALETTE_VALUE:
        way_out = "; take --ids contiguous" if ids == "own" and len(own_ids) <= 255 else ""
        raise InputError(
            f"palette: a class has the value {largest}, but a palette PNG holds 0 to 255 only{way_out}"
        )
