"""Segmenting files."""

import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vit_adapter.config import Precision, TaskName
from vit_adapter.config.counting import counted
from vit_adapter.config.older_names import takes_older_names
from vit_adapter.config.output_place import check_output_folder
from vit_adapter.config.paths import takes_paths
from vit_adapter.config.values import check_argument, check_kind
from vit_adapter.images import MAX_PIXELS
from vit_adapter.tasks.polygon_files import PolygonForm
from vit_adapter.tasks.score_files import Bits
from vit_adapter.tasks.semantic_files import PaletteForm

from .applied_predictor import ApplicationOptions, AppliedPredictor
from .batch import Batch
from .batch_tables import BatchTables
from .joining import join_shares
from .prediction_inputs import find_images
from .protocols import ProtocolChanges
from .reading_ahead import ReadOptions, lost_lines
from .result_folder import ResultFolder
from .result_form import Ids, ResultForm
from .result_names import result_names
from .team import Devices, open_team

if TYPE_CHECKING:
    from vit_adapter.segmenter import Segmenter


@takes_older_names(multi_scale="tta")
@takes_paths("model", "images", "out", "list_file", "checkpoint")
def predict(
    model: "str | Path | Segmenter",
    images: str | Path | Sequence[str | Path],
    out: str | Path = "predictions",
    *,
    list_file: str | Path | None = None,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    batch_size: int = 4,
    precision: Precision = "float32",
    fast: bool = False,
    dtype: Precision | None = None,
    protocol: ProtocolChanges = None,
    tta: bool = False,
    threshold: float | None = None,
    max_pixels: int = MAX_PIXELS,
    ids: Ids = "own",
    overlay: bool = True,
    alpha: float = 0.5,
    legend: bool = True,
    palette: PaletteForm | None = None,
    scores: bool = False,
    probabilities: Bits | None = None,
    confidence: bool = False,
    polygons: PolygonForm | None = None,
    bands: Sequence[int] | None = None,
    summary: bool = False,
    jsonl: bool = False,
    skip_existing: bool = False,
    quiet: bool = False,
    task: TaskName | None = None,
    score_threshold: float | None = None,
    mask_threshold: float | None = None,
    min_area: int | None = None,
    devices: Devices = None,
    nodes: int = 1,
) -> list[tuple[str, str]]:
    """Segments files and writes a label map and an overlay for each.

    Results are named after the images, as they were named and with the folders below a given one; PNG files that this
    tool wrote are never taken for images. The files of one result are written together or not at all.

    Args:
        model: A model, what ``load`` takes, or a file NAME.onnx or NAME.xml that ``export`` wrote.
        images: Files, folders (with all folders below) and patterns.
        out: Folder for the results.
        list_file: A text file with more of them, one per line; "-": standard input.
        checkpoint: For a recipe: its weights.
        device: Where it runs.
        batch_size: Windows processed together.
        precision: Of the network.
        fast: Optimize the model for this device first, see ``Segmenter.optimize``: on a GPU compiled and in bfloat16,
            on a CPU in bfloat16 where the processor has instructions for it. A model that is given is copied.
        dtype: The same, with weights of this type.
        protocol: What should differ in the way the model is applied, such as ``{"flip": True}``: the rest is its own.
            A ``InferenceConfig`` replaces all of it.
        tta: Test-time augmentation: average over scales and mirror images, for a recipe as published.
        threshold: For two classes: smallest probability of the second one.
        max_pixels: Images of more pixels, width x height, are refused.
        ids: Values in the label maps: the "own" masks' values or "contiguous" 0..K-1.
        overlay: Write overlays.
        alpha: Strength of the colours in the overlay, 0..1.
        legend: Put a legend beside it; False: the overlay has the image's size.
        palette: Write label maps in the colours of the classes, "beside" the plain ones or "instead" of them.
        scores: Write probabilities as NPY too.
        probabilities: 8 or 16 bits: write them as TIFF with a page for each class.
        confidence: Write the probability of each pixel's class as an 8-bit image.
        polygons: Write outlines of regions or objects, in the form "coco" or "geojson".
        bands: Which bands of a file are the channels, from 1, such as (4, 3, 2).
        summary: Write ``summary.csv``: pixels and share of every class in every image, see ``AreaTable``; of objects
            and segments ``objects.csv``, a row for each, see ``ObjectTable``.
        jsonl: Write ``results.jsonl``, a line for each image as it is done, see ``ResultLog``.
        skip_existing: Leave images alone whose result is there: all files, of the same model and settings.
        quiet: No progress bar, and no lines about what was done.
        task: What is asked for; None: what the model was trained for.
        score_threshold: Of objects the smallest score, of segments the smallest probability of their class; None, here
            and below: as the model's protocol says.
        mask_threshold: Smallest probability of the pixels of an object or segment.
        min_area: Objects and segments of fewer pixels are left out.
        devices: Processes on a machine that share the images, each with a device of its own; "auto": one for each CUDA
            device; None: those that torchrun started, else one. Processes that are not there are started by the
            command of this one, so that a program has to reach this call in each of them.
        nodes: Number of machines; torchrun or SLURM starts the processes, and all machines see the same ``out``.

    Returns:
        (file, reason) of the images without a result; the others were written. Of several processes the first one
        reports for all, the others give nothing.

    Raises:
        InputError: There is no image, an argument or the model cannot be used, or nothing can be written.
    """
    check_argument("--max-pixels", max_pixels, int, at_least=1)
    options = ApplicationOptions(
        checkpoint=checkpoint,
        device=device,
        batch_size=batch_size,
        precision=precision,
        fast=fast,
        dtype=dtype,
        protocol=protocol,
        tta=tta,
        threshold=threshold,
        task=task,
        score_threshold=score_threshold,
        mask_threshold=mask_threshold,
        min_area=min_area,
    )
    form = ResultForm(ids, scores, overlay, alpha, legend, palette, probabilities, confidence, polygons)
    reading = ReadOptions(max_pixels, bands, skip_existing)
    options.check()
    reading.check()
    check_kind("out", out, (str, os.PathLike), "a folder")
    out = Path(out)
    check_output_folder(out, "--out")
    places = [images] if isinstance(images, (str, Path)) else images
    check_kind("images", places, Iterable, "paths of files and folders")
    for place in places:
        check_kind(
            "one of images", place, (str, os.PathLike), "a path; what is in memory goes to Segmenter.predict"
        )
    with open_team(devices, nodes, device) as team:
        options = replace(options, device=team.device)
        applied = team.agreed(
            lambda: AppliedPredictor.prepared(model, options, scores=form.score_option, quiet=quiet)
        )
        written = form.for_task(applied.task, applied.classes)
        found = team.from_first(lambda: find_images(places, list_file, applied.channels))
        reading.check_channels(applied.channels)
        settings = {"ids": ids, "palette": palette == "instead"}
        settings |= {} if bands is None else {"bands": list(bands)}
        folder = ResultFolder(out, written, applied.made_by(**settings))
        part = team.rank if team.size > 1 else None
        tables = team.agreed(
            lambda: BatchTables(
                folder, applied, summary=summary, jsonl=jsonl, goes_on=skip_existing, part=part
            )
        )
        title = "images" if part is None else f"images (of process 1 of {team.size})"
        batch = Batch(applied, folder, tables, reading, quiet, title)
        names = result_names(found.images)
        begin = time.monotonic()
        team.agreed(lambda: batch.run(team.share(found.images), team.share(names)))
        join_shares(team, batch, tables, found.images)
        if team.rank:
            return []
    batch.failures[:0] = found.problems
    if batch.done:
        tables.write()
    for line in [*batch.remarks.lines(), *lost_lines(batch.lost)]:
        print(f"warning: {line}", file=sys.stderr)
    if not quiet:
        for line in _closing_lines(batch, folder, tables, found.own_results, time.monotonic() - begin):
            print(line)
    return batch.failures


def _closing_lines(
    batch: Batch, folder: ResultFolder, tables: BatchTables, own_results: int, seconds: float
) -> list[str]:
    """What was done, in words."""
    lines, new = [], batch.done - batch.there
    if new:
        rate = f"{new / max(1e-9, seconds):.3g} images/s"
        lines.append(f"{counted(new, 'image')}: {folder.form.kinds()} in {folder.folder} ({rate})")
    if batch.there:
        lines.append(f"{counted(batch.there, 'image')} skipped: their results exist already")
    if own_results:
        lines.append(f"{counted(own_results, 'file')} left out: results of vit-adapter, not images")
    lines += tables.lines() if batch.done else []
    lines += tables.log_lines()
    if batch.whole > 1:
        lines.append(f"{counted(batch.whole, 'image')} of more than 4 megapixels processed whole")
    return lines
