"""What a prediction of objects returns."""

from dataclasses import dataclass, field
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
from .result import Result


@dataclass(frozen=True, eq=False, kw_only=True)
class InstanceResult(Result):
    """The objects of one image.

    Attributes:
        instances: The objects, best first, with masks as run-lengths of the image's size.
        ids: The value of each class in the user's own files; None: 0..K-1.
    """

    instances: Instances
    ids: tuple[int, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ids is None:
            object.__setattr__(self, "ids", tuple(range(len(self.class_names))))

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
        (objects, shapes), palette = self._drawn(), self.palette
        assert palette is not None
        found = np.unique(objects.classes)
        single = len(found) <= 1
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
            facts: What the mark of the PNG files says besides; plain JSON values.

        Returns:
            The files written, the object numbers first.

        Raises:
            InputError: A file cannot be written.
        """
        facts = facts or {}
        files = {kind: Path(folder) / name for kind, name in instance_files(stem, overlay).items()}
        assert self.ids is not None
        values = coco_instances(self.instances, self.size, Path(stem).name, self.class_names, self.ids)
        writers = {
            "objects": marked_png(Image.fromarray(self.object_ids), facts),
            "table": json_writer(values),
        }
        return write_objects(
            files, writers, partial(self.overlay, alpha), alpha=alpha, legend=legend, facts=facts
        )


def instance_files(stem: str, overlay: bool) -> dict[str, str]:
    """Names of the files that ``InstanceResult.save`` writes, by what they are; the object numbers first."""
    files = {"objects": f"{stem}_objects.png", "table": f"{stem}_objects.json"}
    return files | ({"overlay": f"{stem}_overlay.png"} if overlay else {})
