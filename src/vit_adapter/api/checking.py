"""Checking a data set before training on it."""

from pathlib import Path

import numpy as np

from vit_adapter.config import DataConfig, InputError
from vit_adapter.config.files import write_atomically
from vit_adapter.config.output_place import check_output_file
from vit_adapter.config.own_files import marked_png
from vit_adapter.config.paths import takes_paths
from vit_adapter.config.values import check_argument, check_kind

SHEET_IMAGES = 12


@takes_paths("sheet")
def check_data(config: DataConfig, *, sample: int | None = None, sheet: str | Path | None = None) -> bool:
    """Prints what is in a data set and what is wrong with it, and draws overlays.

    Args:
        config: The data set.
        sample: Number of images to check; None: all.
        sheet: Contact sheet to write; None: none.

    Returns:
        True when training could begin.

    Raises:
        InputError: There is no such data set.
    """
    from vit_adapter.data.check import check_dataset

    check_kind("config", config, DataConfig, 'a DataConfig, such as DataConfig(root="my_folder")')
    check_argument("--sample", sample, int | None, at_least=1)
    if sheet is not None:
        try:
            check_output_file(sheet, "--sheet")
        except InputError as error:
            raise InputError(f"{error}; --sheet '' draws none") from error
    report = check_dataset(config, sample)
    report.print()
    if sheet is not None and report.ok:
        _draw(config, Path(sheet))
        print(f"overlays: {sheet}")
    return report.ok


def _draw(config: DataConfig, path: Path) -> None:
    from vit_adapter.data.dataset import offered_tasks, open_dataset
    from vit_adapter.tasks import DetectionResult, InstanceResult
    from vit_adapter.visualization import class_legend, contact_sheet, default_palette
    from vit_adapter.visualization.overlay import overlay_image

    task = offered_tasks(config)[0]
    dataset = open_dataset(config, "train", task=task)
    count = min(SHEET_IMAGES, len(dataset))
    classes = dataset.classes
    palette = default_palette(len(classes))
    if classes.colours is not None:
        palette = np.array(classes.colours, np.uint8)
    cells, captions, seen = [], [], set()
    for index in np.linspace(0, len(dataset) - 1, count).astype(int):
        try:
            drawn = dataset.read(int(index))
        except InputError:
            continue  # named in the report
        objects = drawn.annotation.instances
        shown = drawn.image
        if objects is None or task == "panoptic":
            # In its own size, since objects are drawn on it; the sheet fits it in.
            shown = np.asarray(
                overlay_image(shown, drawn.labels, palette, classes.names, legend=False, enlarge=False)
            )
        if objects is not None:  # outlined, and each of a colour of its own where there is a single class
            kind = DetectionResult if objects.masks is None else InstanceResult
            truth = kind(image=shown, class_names=classes.names, palette=palette, instances=objects)
            shown = np.asarray(truth.on_sheet(0.1 if task == "panoptic" else 0.5))
        cells.append(shown)
        seen |= drawn.annotation.classes()
        captions.append(drawn.name)
    if not cells:
        return
    columns = 3
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    lines = [captions[start : start + columns] for start in range(0, len(cells), columns)]
    legend = class_legend(classes.names, palette.tolist(), seen, coloured_objects=task != "semantic")
    title = f"{len(cells)} of {len(dataset)} training images of {Path(config.root).name or 'the scenes'}"
    sheet = contact_sheet(rows, captions=lines, title=title, legend=legend)
    write_atomically(path, marked_png(sheet))
