"""What a panoptic prediction returns."""

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from PIL import Image

from vit_adapter.annotations import Annotation, Instances, RunLengths, Segments
from vit_adapter.config.own_files import marked_png
from vit_adapter.visualization import overlay_image
from vit_adapter.visualization.legend import LegendEntry, beside
from vit_adapter.visualization.outlines import draw_objects

from .object_files import coco_panoptic, json_writer, masks_in_boxes, panoptic_ids, write_objects
from .polygon_files import PolygonForm, Region, Rings, outlined, polygon_file
from .result import Result


@dataclass(frozen=True, eq=False, kw_only=True)
class PanopticResult(Result):
    """The panoptic segmentation of one image.

    Attributes:
        segments: Objects and classes of stuff; no two overlap.
        is_thing: Of each class whether it has objects that can be counted.
    """

    segments: Segments
    is_thing: tuple[bool, ...]

    @property
    def annotation(self) -> Annotation:
        """The segments, as evaluators take them."""
        return Annotation(labels=self.labels, segments=self.segments)

    @cached_property
    def labels(self) -> np.ndarray:
        """Class of every pixel [H, W], 0..K-1; 255 (65535 for more than 255 classes) where no segment is."""
        return self.segments.labels(255 if len(self.class_names) <= 255 else 65535)

    @cached_property
    def instances(self) -> Instances:
        """The objects among the segments, best first, with masks as run-lengths."""
        segments = self.segments
        numbers = np.flatnonzero(np.array(self.is_thing, bool)[segments.classes]) + 1
        scores = segments.scores
        if scores is not None:
            numbers = numbers[np.argsort(-scores[numbers - 1], kind="stable")]
        masks = [RunLengths.from_mask(segments.ids == number) for number in numbers.tolist()]
        return Instances.from_masks(
            segments.classes[numbers - 1], masks, None if scores is None else scores[numbers - 1]
        )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image."""
        return self.image.shape[0], self.image.shape[1]

    def overlay(self, alpha: float = 0.5, legend: bool = True) -> Image.Image:
        """The image with stuff and things in the colours of their classes, objects outlined and named.

        Args:
            alpha: Opacity of the colours, 0 to 1.
            legend: With names and shares of the classes beside it; small images are enlarged for it.
        """
        objects, palette = self.instances, self.palette
        assert palette is not None
        stuff = np.where(self._is_stuff(), self.labels, len(palette))
        base = overlay_image(self.image, stuff, palette, alpha=alpha, legend=False, enlarge=False)
        texts = [self.class_names[label] for label in objects.classes.tolist()]
        if objects.scores is not None:  # not truth
            texts = [
                f"{text} {score:.2f}" for text, score in zip(texts, objects.scores.tolist(), strict=True)
            ]
        drawn = draw_objects(
            np.asarray(base),
            masks_in_boxes(objects),
            objects.boxes,
            palette[objects.classes],
            texts,
            alpha,
            enlarge=legend,
        )
        return beside(drawn, self._legend(palette)) if legend else drawn

    def regions(self) -> list[Region]:
        """The segments of things and stuff."""
        segments, regions = self.segments, []
        polygons: dict[int, list[Rings]] = {number: [] for number in range(1, len(segments) + 1)}
        for number, rings in outlined(segments.ids, segments.ids > 0):
            polygons[number].append(rings)
        for number, label in enumerate(segments.classes.tolist(), start=1):
            score = None if segments.scores is None else float(segments.scores[number - 1])
            regions.append(Region(label, polygons[number], number, score))
        return regions

    def _is_stuff(self) -> np.ndarray:
        things = np.array([True, *np.array(self.is_thing, bool)[self.segments.classes]])
        return ~things[self.segments.ids]

    def _legend(self, palette: np.ndarray) -> list[LegendEntry]:
        areas = self.segments.areas
        entries = []
        for label in np.unique(self.segments.classes).tolist():
            own = self.segments.classes == label
            count = f": {own.sum()}" if self.is_thing[label] else ""
            share = float(areas[own].sum()) / self.segments.ids.size
            colour = tuple(palette[label].tolist())
            entries.append(
                LegendEntry(f"{self.class_names[label]}{count}", colour, share, f"class {label}{count}")
            )
        entries.sort(key=lambda entry: -(entry.share or 0))
        nothing = float((self.segments.ids == 0).mean())
        return entries + ([LegendEntry("nothing found", None, nothing)] if nothing else [])

    def save(
        self,
        folder: str | Path,
        stem: str,
        alpha: float = 0.5,
        *,
        overlay: bool = True,
        legend: bool = True,
        polygons: PolygonForm | None = None,
        facts: dict[str, object] | None = None,
    ) -> list[Path]:
        """Writes ``STEM_panoptic.png``, ``STEM_panoptic.json`` and ``STEM_overlay.png``: all or none.

        The first two are in COCO's panoptic form.

        Args:
            folder: Where to; made if it is missing.
            stem: Beginning of the names; with "/" in it, folders below ``folder``.
            alpha: Opacity of the colours in the overlay, 0 to 1.
            overlay: False: no overlay.
            legend: False: an overlay of the image's own size, without legend.
            polygons: Write ``STEM_polygons.json`` in COCO's form or ``STEM_polygons.geojson``, see ``polygon_files``.
            facts: What the mark of the PNG files says besides; plain JSON values.

        Returns:
            The files written, the numbers of the segments first.

        Raises:
            InputError: A file cannot be written.
        """
        facts = facts or {}
        files = {kind: Path(folder) / name for kind, name in panoptic_files(stem, overlay, polygons).items()}
        assert self.ids is not None
        names = (Path(stem).name, files["segments"].name)
        values = coco_panoptic(self.segments, self.size, names, self.class_names, self.ids, self.is_thing)
        writers = {
            "segments": marked_png(panoptic_ids(self.segments), facts),
            "table": json_writer(values),
        }
        if polygons is not None:
            writers["polygons"] = json_writer(self.polygons(polygons, Path(stem).name, facts or {}))
        return write_objects(
            files, writers, partial(self.overlay, alpha), alpha=alpha, legend=legend, facts=facts
        )


def panoptic_files(stem: str, overlay: bool, polygons: PolygonForm | None = None) -> dict[str, str]:
    """Names of the files that ``PanopticResult.save`` writes, by what they are; the segment numbers first."""
    files = {"segments": f"{stem}_panoptic.png", "table": f"{stem}_panoptic.json"}
    files |= {"overlay": f"{stem}_overlay.png"} if overlay else {}
    outlines = polygon_file(stem, polygons)
    return files | ({} if outlines is None else {"polygons": outlines})
