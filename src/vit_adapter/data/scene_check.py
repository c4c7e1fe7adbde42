"""The data check of the embedded scenes, in which nothing can be wrong: what they show."""

from vit_adapter.config import DataConfig

from .codes import count_codes
from .dataset import open_dataset
from .object_check import objects_seen, report_objects
from .report import ClassRow, Report
from .scenes.scene_dataset import SceneDataset

SCENES_LOOKED_AT = 100


def check_scenes(config: DataConfig, sample: int | None) -> Report:
    """What is in the embedded scenes.

    Args:
        config: Its numbers of scenes count.
        sample: So many of each part are looked at; None: ``SCENES_LOOKED_AT``.
    """
    report = Report("embedded scenes", "scenes", "the scenes")
    pixels: dict[int, int] = {}
    images: dict[str, dict[int, int]] = {}
    for part in ("train", "val"):
        dataset = open_dataset(config, part)
        report.image_counts[part] = len(dataset)
        images[part] = {}
        for index in range(min(len(dataset), sample or SCENES_LOOKED_AT)):
            report.looked_at += 1
            for label, count in count_codes(dataset.read(index).labels).items():
                pixels[label] = pixels.get(label, 0) + count
                images[part][label] = images[part].get(label, 0) + 1
    things = open_dataset(config, "train", task="panoptic")
    seen = []
    for part in ("train", "val"):
        dataset = open_dataset(config, part, task="panoptic")
        for index in range(min(len(dataset), sample or SCENES_LOOKED_AT)):
            drawn = dataset.read(index)
            assert drawn.annotation.instances is not None
            height, width = drawn.labels.shape
            seen.append(objects_seen(part, drawn.name, (height, width), drawn.annotation.instances))
    report.tasks = SceneDataset.tasks
    report_objects(report, things.classes, seen, by_pixels=False)
    total = max(sum(pixels.values()), 1)
    table = open_dataset(config, "train").classes
    for label, (name, id_) in enumerate(zip(table.names, table.ids)):
        train, val = (images[part].get(label, 0) for part in ("train", "val"))
        report.rows.append(
            ClassRow(name, id_, pixels.get(label, 0), pixels.get(label, 0) / total, train, val)
        )
    return report
