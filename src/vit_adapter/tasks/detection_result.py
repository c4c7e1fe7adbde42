"""What a prediction of boxes returns."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from vit_adapter.annotations import Instances
from vit_adapter.config.own_files import KEYWORD

from .instance_result import InstanceResult
from .object_files import coco_instances, json_writer, write_objects
from .polygon_files import PolygonForm, Region, box_polygon, polygon_file

FRAME_SHARE = 1 / 300
"""Width of a frame relative to the longer side of the image."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionResult(InstanceResult):
    """The objects of one image as boxes.

    Attributes:
        instances: The objects, best first, without masks.
    """

    @property
    def boxes(self) -> np.ndarray:
        """float32 [N, 4]: left, top, right, bottom in pixels, ends exclusive; best first."""
        return self.instances.boxes

    def regions(self) -> list[Region]:
        """The boxes."""
        scores = self.instances.scores
        return [
            Region(
                int(label), [box_polygon(*box)], index + 1, None if scores is None else float(scores[index])
            )
            for index, (label, box) in enumerate(
                zip(self.instances.classes, self.boxes.tolist(), strict=True)
            )
        ]

    def _drawn(self) -> tuple[Instances, list[np.ndarray]]:
        """Boxes of whole pixels around the objects, and their frames as masks."""
        height, width = self.size
        boxes = self.instances.boxes
        whole = np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], axis=1)
        whole = np.clip(whole, 0, np.array([width, height] * 2)).astype(np.float32)
        thick = max(1, round(max(height, width) * FRAME_SHARE))
        frames = []
        for left, top, right, bottom in whole.astype(int).tolist():
            frame = np.ones((bottom - top, right - left), bool)
            frame[thick:-thick, thick:-thick] = False
            frames.append(frame)
        return Instances(self.instances.classes, whole, None, self.instances.scores), frames

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
        """Writes ``STEM_objects.json``, in COCO's form, and ``STEM_overlay.png``: both or none.

        Arguments and errors are those of ``InstanceResult.save``.

        Returns:
            The files written, the table first.
        """
        files = {kind: Path(folder) / name for kind, name in detection_files(stem, overlay, polygons).items()}
        assert self.ids is not None
        values = coco_instances(self.instances, self.size, Path(stem).name, self.class_names, self.ids)
        writers = {"table": json_writer({"info": {KEYWORD: facts or {}}, **values})}
        if polygons is not None:
            writers["polygons"] = json_writer(self.polygons(polygons, Path(stem).name, facts or {}))
        return write_objects(
            files, writers, partial(self.overlay, alpha), alpha=alpha, legend=legend, facts=facts or {}
        )


def detection_files(stem: str, overlay: bool, polygons: PolygonForm | None = None) -> dict[str, str]:
    """Names of the files that ``DetectionResult.save`` writes, by what they are; the table first."""
    files = {"table": f"{stem}_objects.json"}
    files |= {"overlay": f"{stem}_overlay.png"} if overlay else {}
    outlines = polygon_file(stem, polygons)
    return files | ({} if outlines is None else {"polygons": outlines})
