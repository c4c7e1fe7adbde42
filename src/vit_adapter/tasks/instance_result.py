"""What a prediction of objects returns."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from vit_adapter.annotations import Annotation, Instances
from vit_adapter.config.own_files import marked_png
from vit_adapter.visualization import default_palette
from vit_adapter.visualization.legend import LegendEntry, beside
from vit_adapter.visualization.outlines import draw_objects

from .object_files import coco_instances, json_writer, masks_in_boxes, object_ids, write_objects
from .polygon_files import PolygonForm, Region, mask_polygons, polygon_file
from .result import Result


@dataclass(frozen=True, eq=False, kw_only=True)
class InstanceResult(Result):
    """The objects of one image.

    Attributes:
        instances: The objects, best first, with masks as run-lengths of the image's size.
    """

    instances: Instances

    @property
    def annotation(self) -> Annotation:
        """The objects, as evaluators take them."""
        return Annotation(instances=self.instances)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def object_ids(self) -> np.ndarray:
        """Number of the object at every pixel [H, W], from 1, best first; 0: none. See ``object_files.object_ids``."""
        return object_ids(self.instances, self.size)

    def overlay(self, alpha: float = 0.5, legend: bool = True) -> Image.Image:
        """The image with its objects filled, outlined, and named with their scores.

        Where a single class was found every object has a colour of its own, else that of its class.

        Args:
            alpha: Opacity of the fillings, 0 to 1.
            legend: With names and numbers of objects beside it; small images are enlarged for it.
        """
        return self._overlay(alpha, legend, single=len(np.unique(self.instances.classes)) <= 1)

    def frame(self, alpha: float = 0.5) -> Image.Image:
        """See ``Result``: colours of objects would change with their order from frame to frame."""
        return self._overlay(alpha, legend=False, single=False)

    def on_sheet(self, alpha: float = 0.5) -> Image.Image:
        """See ``Result``; where the model knows one class alone, every object has a colour of its own."""
        return self._overlay(alpha, legend=False, single=len(self.class_names) == 1)

    def _overlay(self, alpha: float, legend: bool, single: bool) -> Image.Image:
        (objects, shapes), palette = self._drawn(), self.palette
        assert palette is not None
        found = np.unique(objects.classes)
        colours = default_palette(len(objects)) if single else palette[objects.classes]
        words = [[] if single else [self.class_names[label]] for label in objects.classes.tolist()]
        if objects.scores is not None:  # not truth
            for word, score in zip(words, objects.scores.tolist(), strict=True):
                word.append(f"{score:.2f}")
        texts = [" ".join(word) for word in words]
        drawn = draw_objects(self.image, shapes, objects.boxes, colours, texts, alpha, enlarge=legend)
        if not legend:
            return drawn
        counts = np.bincount(objects.classes, minlength=len(self.class_names))
        order = sorted(found.tolist(), key=lambda label: (-counts[label], label))
        entries = [
            LegendEntry(
                f"{self.class_names[label]}: {counts[label]}",
                None if single else tuple(palette[label].tolist()),
                fallback=f"class {label}: {counts[label]}",
            )
            for label in order
        ]
        return beside(drawn, entries or [LegendEntry("nothing found", None)])

    def regions(self) -> list[Region]:
        """The objects, whole where they overlap."""
        objects, regions = self.instances, []
        for index, (mask, box) in enumerate(
            zip(masks_in_boxes(objects), objects.boxes.astype(int).tolist(), strict=True)
        ):
            score = None if objects.scores is None else float(objects.scores[index])
            polygons = mask_polygons(mask, (box[0], box[1]))
            regions.append(Region(int(objects.classes[index]), polygons, index + 1, score))
        return regions

    def _drawn(self) -> tuple[Instances, list[np.ndarray]]:
        """The objects with boxes of whole pixels, and what of each box is filled, bool [h, w]."""
        return self.instances, masks_in_boxes(self.instances)

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
        """Writes ``STEM_objects.png``, ``STEM_objects.json`` and ``STEM_overlay.png``: all or none.

        The PNG holds the number of the object at every pixel (8 or 16 bits, 0: none), numbered as the entries of the
        JSON file, which is in COCO's form with masks as run-lengths: there overlapping objects are whole.

        Args:
            folder: Where to; made if it is missing.
            stem: Beginning of the names; with "/" in it, folders below ``folder``.
            alpha: Opacity of the fillings in the overlay, 0 to 1.
            overlay: False: no overlay.
            legend: False: an overlay of the image's own size, without legend.
            polygons: Write ``STEM_polygons.json`` in COCO's form or ``STEM_polygons.geojson``, see ``polygon_files``.
            facts: What the mark of the PNG files says besides; plain JSON values.

        Returns:
            The files written, the object numbers first.

        Raises:
            InputError: A file cannot be written.
        """
        facts = facts or {}
        files = {kind: Path(folder) / name for kind, name in instance_files(stem, overlay, polygons).items()}
        assert self.ids is not None
        values = coco_instances(self.instances, self.size, Path(stem).name, self.class_names, self.ids)
        writers = {
            "objects": marked_png(Image.fromarray(self.object_ids), facts),
            "table": json_writer(values),
        }
        if polygons is not None:
            writers["polygons"] = json_writer(self.polygons(polygons, Path(stem).name, facts or {}))
        return write_objects(
            files, writers, partial(self.overlay, alpha), alpha=alpha, legend=legend, facts=facts
        )


def instance_files(stem: str, overlay: bool, polygons: PolygonForm | None = None) -> dict[str, str]:
    """Names of the files that ``InstanceResult.save`` writes, by what they are; the object numbers first."""
    files = {"objects": f"{stem}_objects.png", "table": f"{stem}_objects.json"}
    files |= {"overlay": f"{stem}_overlay.png"} if overlay else {}
    outlines = polygon_file(stem, polygons)
    return files | ({} if outlines is None else {"polygons": outlines})
