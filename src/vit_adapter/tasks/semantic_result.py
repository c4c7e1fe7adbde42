"""What a semantic prediction returns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from vit_adapter.annotations import Annotation, Window
from vit_adapter.config import InputError
from vit_adapter.inference.limits import SCORES_LIMIT_BYTES
from vit_adapter.visualization import overlay_image

from .polygon_files import PolygonForm, Region, outlined
from .result import Result
from .score_files import Bits, quantized
from .semantic_files import LARGEST_PALETTE_VALUE, PaletteForm, SemanticFiles, check_palette, write_semantic

NO_SCORES = "this result holds labels only: it was made without a model that could give scores"
ScoreVisitor = Callable[[Window, np.ndarray], object]
"""Takes the probabilities [K, h, w] of a part of an image."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SemanticResult(Result):
    """The semantic segmentation of one image.

    Attributes:
        labels: Class of every pixel [H, W], 0..K-1; uint8, or uint16 for more than 255 classes. A model of one class
            gives 255 where nothing is.
        ignore_id: The value of pixels without a class in those masks.
        make_scores: From the largest size in bytes (None: any) to the probabilities; what ``scores`` calls.
        visit_scores: Hands out the probabilities in pieces, see ``Application.visit_scores``.
    """

    labels: np.ndarray
    make_scores: Callable[[int | None], np.ndarray] | None = field(default=None, repr=False)
    visit_scores: Callable[[ScoreVisitor], None] | None = field(default=None, repr=False)
    ignore_id: int = field(default=255, repr=False)

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
            raise InputError(NO_SCORES)
        return self.make_scores(limit_bytes)

    def probability_maps(self, bits: Bits = 8) -> np.ndarray:
        """Probabilities as whole numbers: uint8 [K, H, W], 0..255, or uint16, 0..65535; made in pieces, not kept.

        Raises:
            InputError: The result was made without a model.
        """
        maps = np.empty((len(self.class_names), *self.labels.shape), np.uint8 if bits == 8 else np.uint16)

        def take(place: Window, scores: np.ndarray) -> None:
            maps[:, *place.slices] = quantized(scores, bits)

        self._visit(take)
        return maps

    @cached_property
    def confidence(self) -> np.ndarray:
        """Probability of the most probable class at every pixel, float32 [H, W]; made at the first access and kept.

        Raises:
            InputError: The result was made without a model.
        """
        confidence = np.empty(self.labels.shape, np.float32)

        def take(place: Window, scores: np.ndarray) -> None:
            confidence[place.slices] = scores.max(axis=0)

        self._visit(take)
        return confidence

    def _visit(self, take: ScoreVisitor) -> None:
        if self.visit_scores is None:
            raise InputError(NO_SCORES)
        self.visit_scores(take)

    def regions(self) -> list[Region]:
        """The connected regions of every class."""
        inside = self.labels < len(self.class_names)
        return [Region(label, [rings]) for label, rings in outlined(self.labels, inside)]

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
        values = self.ids if ids == "own" and self.ids is not None else range(len(self.class_names))
        colours = np.zeros((LARGEST_PALETTE_VALUE + 1, 3), np.uint8)
        for value, colour in zip(values, self.palette):
            colours[value] = colour
        image = Image.fromarray(self.values(ids).astype(np.uint8))
        image.putpalette(colours.tobytes())
        return image

    def values(self, ids: Literal["own", "contiguous"] = "own") -> np.ndarray:
        """Labels as a label map holds them [H, W]: values of the "own" masks, or "contiguous" 0..K-1."""
        return self.own_ids() if ids == "own" else self.labels

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
        probabilities: Bits | None = None,
        confidence: bool = False,
        polygons: PolygonForm | None = None,
        facts: dict[str, object] | None = None,
    ) -> list[Path]:
        """Writes ``STEM_labels.png`` (8 or 16 bits), ``STEM_overlay.png`` and what else is asked for: all or none.

        Every file but the scores carries a mark, by which ``predict`` knows it for a result. With a georeference
        ``STEM_labels.tif`` is written beside the label map, and probabilities and confidence are GeoTIFFs.

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
            probabilities: 8 or 16: write ``STEM_probabilities.tif``, a page for each class, 0..255 or 0..65535 for
                probabilities of 0..1.
            confidence: Write ``STEM_confidence.png``, the probability of each pixel's class, 0..255.
            polygons: Write ``STEM_polygons.json`` in COCO's form or ``STEM_polygons.geojson``, see ``polygon_files``.
            facts: What the mark says besides; plain JSON values.

        Returns:
            The files written.

        Raises:
            InputError: An argument is none of these; a file cannot be written; scores are too large; a class has a
                value above 255 and ``palette`` is asked for.
        """
        form = SemanticFiles(
            ids, scores, overlay, alpha, legend, palette, probabilities, confidence, polygons
        )
        return write_semantic(self, Path(folder), stem, form, facts or {})
