"""Segmenting files."""

import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from vit_adapter.config import InputError, TaskName
from vit_adapter.config.older_names import takes_older_names
from vit_adapter.config.output_place import check_output_folder
from vit_adapter.config.paths import takes_paths
from vit_adapter.config.progress_bar import ProgressBar
from vit_adapter.config.protocol import with_thresholds
from vit_adapter.config.values import check_argument
from vit_adapter.images import MAX_PIXELS, ImageRemarks, read_content, read_image
from vit_adapter.inference.limits import check_threshold
from vit_adapter.tasks.semantic_result import PaletteForm, SemanticResult, check_palette

from .area_table import AreaTable
from .mirroring import application_notes, print_notes
from .object_table import ObjectTable
from .overlapping import WriteBehind, read_ahead
from .prediction_inputs import InputImage, find_images
from .predictor import Predictor, open_predictor
from .protocols import ProtocolChanges, applied_protocol
from .result_folder import Ids, ResultFolder, ResultForm, ends_the_batch
from .result_log import ResultLog
from .result_names import result_names
from .whole_images import warns_about_whole

if TYPE_CHECKING:
    from vit_adapter.segmenter import Segmenter
    from vit_adapter.segmenter.optimizing import OptimizeType
    from vit_adapter.segmenter.prediction import Prediction

PRECISIONS = ("float32", "bfloat16", "float16")
EXPECTED = (InputError, MemoryError, RuntimeError)
"""What may go wrong with one image and leave the others."""


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
    precision: Literal["float32", "bfloat16", "float16"] = "float32",
    fast: bool = False,
    dtype: "OptimizeType | None" = None,
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
    summary: bool = False,
    jsonl: bool = False,
    skip_existing: bool = False,
    quiet: bool = False,
    task: TaskName | None = None,
    score_threshold: float | None = None,
    mask_threshold: float | None = None,
    min_area: int | None = None,
) -> list[tuple[str, str]]:
    """Segments files and writes a label map and an overlay for each.

    Results are named after the images, as they were named and with the folders below a given one; PNG files that this
    tool wrote are never taken for images. The files of one result are written together or not at all.

    Args:
        model: A model, what ``load`` takes, or a file NAME.onnx that ``export`` wrote.
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

    Returns:
        (file, reason) of the images without a result; the others were written.

    Raises:
        InputError: There is no image, an argument or the model cannot be used, or nothing can be written.
    """
    check_argument("--batch-size", batch_size, int, at_least=1)
    check_argument("--alpha", alpha, float, at_least=0, at_most=1)
    check_argument("--threshold", threshold, float | None, at_least=0, at_most=1)
    check_argument("--max-pixels", max_pixels, int, at_least=1)
    out = Path(out)
    check_output_folder(out, "--out")
    predictor = open_predictor(model, checkpoint, device)
    asked = predictor.asked(task)
    form = ResultForm(ids, scores, overlay, alpha, legend, palette, asked)
    if asked != "semantic":
        _refuse_pixel_options(asked, scores=scores, palette=palette, threshold=threshold, tta=tta)
    applied = applied_protocol(predictor, protocol, tta=tta, recipe=predictor.recipe)
    applied = with_thresholds(applied, score_threshold, mask_threshold, min_area)
    print_notes(application_notes(predictor, applied, tta))
    if precision not in PRECISIONS:
        raise InputError(f"--precision {precision}: expected float32, bfloat16 or float16")
    _check(predictor, form, batch_size, threshold)
    predictor.check_options(applied, precision=precision, scores=scores, threshold=threshold)
    if fast or dtype is not None:
        if precision != "float32":
            raise InputError(
                f"--precision {precision} beside --{'fast' if fast else 'dtype'}: take one of them"
            )
        predictor = predictor.optimized(fast, dtype, quiet)
    settings = {"protocol": applied, "precision": precision, "threshold": threshold, "ids": ids}
    settings |= {} if asked == "semantic" else {"task": asked}
    channels = predictor.channels(applied)
    places = [images] if isinstance(images, (str, Path)) else images
    found = find_images(places, list_file, channels)
    folder = ResultFolder(out, form, predictor.fingerprint({**settings, "palette": palette == "instead"}))
    areas = AreaTable(out, predictor.classes, ids == "own") if summary and asked == "semantic" else None
    objects = ObjectTable(out) if summary and asked != "semantic" else None
    log = ResultLog(out, goes_on=skip_existing) if jsonl else None
    names = result_names(found.images)
    failures, there, warned, remarks = list(found.problems), 0, 0, ImageRemarks()
    begin = time.monotonic()

    def read(item: tuple[InputImage, str]) -> tuple[bytes, np.ndarray | None]:
        """An image's file and pixels; no pixels where its result is there."""
        image, name = item
        content = read_content(image.path)  # read once: the result remembers its digest
        if skip_existing and folder.state(name, content) != "missing":
            return content, None
        if problem := folder.problem(name):
            raise InputError(problem)
        pixels = read_image(
            content,
            channels,
            max_pixels=max_pixels,
            value_range=applied.value_range,
            remarks=remarks,
            name=str(image.path),
        )
        return content, pixels

    def segment(image: InputImage, pixels: np.ndarray, progress: ProgressBar) -> "Prediction":
        nonlocal warned
        warned += warns_about_whole(str(image.path), pixels, applied, said=warned > 0)
        return predictor.segment(
            pixels,
            protocol=applied,
            batch_size=batch_size,
            threshold=threshold,
            precision=precision,
            bar=progress,
            task=asked,
        )

    def write(
        image: InputImage, name: str, content: bytes, result: "Prediction | None", seconds: float
    ) -> None:
        """Writes a result, or takes the one that is there, and counts it in the tables."""
        files, start = folder.files(name), time.monotonic()
        if result is not None:
            folder.write(result, name, content)
            if log is not None:
                seconds += time.monotonic() - start
                log.add(str(image.path), next(iter(files.values())), result, seconds)
        if areas is not None and isinstance(result, SemanticResult):
            areas.add(str(image.path), files["labels"], result.labels)
        elif areas is not None and result is None:
            areas.add_values(str(image.path), files["labels"], folder.read_labels(name))
        if objects is not None:
            objects.add(str(image.path), files["table"])

    done = 0

    def settled(item: tuple[InputImage, bool], error: Exception | None) -> None:
        """Counts an image that is finished, one way or the other."""
        nonlocal done, there
        image, found_there = item
        if error is None:
            done, there = done + 1, there + found_there
        else:
            reason = _reason(error, image.path, out) if isinstance(error, EXPECTED) else None
            if reason is None:
                raise error
            failures.append((str(image.path), reason))
            if log is not None:
                log.add_error(str(image.path), reason)
        progress.advance()

    progress = ProgressBar("images", len(names), shown=not quiet)
    try:
        with progress, WriteBehind(settled) as writing:
            for (image, name), content_of in read_ahead(zip(found.images, names, strict=True), read):
                start = time.monotonic()
                try:
                    content, pixels = content_of()
                    result = None if pixels is None else segment(image, pixels, progress)
                except EXPECTED as error:
                    writing.settle()
                    settled((image, False), error)
                    continue
                work = partial(write, image, name, content, result, time.monotonic() - start)
                writing.submit((image, result is None), work)
                if scores:
                    writing.settle()  # probabilities are made while they are written, by the model
                del content, pixels, result, work
    except BaseException:
        if done and not quiet:
            line = f"stopped: {_images(done)} of {len(names)} done; --skip-existing continues from there"
            print(line, file=sys.stderr)
        raise
    for line in remarks.lines():
        print(f"warning: {line}", file=sys.stderr)
    if areas is not None and done:
        areas.write()
    if objects is not None and done:
        objects.write()
    if not quiet:
        if done > there:
            rate = (done - there) / max(1e-9, time.monotonic() - begin)
            print(f"{_images(done - there)}: {form.kinds()} in {out} ({rate:.3g} images/s)")
        if there:
            print(f"{_images(there)} skipped: their results exist already")
        if found.own_results:
            files = "1 file" if found.own_results == 1 else f"{found.own_results} files"
            print(f"{files} left out: results of vit-adapter, not images")
        if areas is not None and done:
            print(f"areas of the classes: {areas.file}")
        if objects is not None and done:
            print(f"table of all objects: {objects.file}")
        if log is not None and log.file.exists():
            print(f"a line for each image: {log.file}")
        if warned > 1:
            print(f"{_images(warned)} of more than 4 megapixels processed whole")
    return failures


def _refuse_pixel_options(task: TaskName, **options: object) -> None:
    """Refuses what only label maps have.

    Raises:
        InputError: Something of it is asked for.
    """
    for name, value in options.items():
        if value not in (None, False):
            raise InputError(f"--{name}: is for the task semantic, not for {task}")


def _check(model: Predictor, form: ResultForm, batch_size: int, threshold: float | None) -> None:
    """Refuses what would fail for every image.

    Raises:
        InputError: An argument cannot be used.
    """
    if batch_size < 1:
        raise InputError(f"--batch-size {batch_size}: expected at least 1")
    if form.ids not in ("own", "contiguous"):
        raise InputError(f"--ids {form.ids}: expected own or contiguous")
    if not 0 <= form.alpha <= 1:
        raise InputError(f"--alpha {form.alpha}: expected 0 to 1")
    if form.palette not in (None, "beside", "instead"):
        raise InputError(f"--palette {form.palette}: expected beside or instead")
    if form.palette is not None:
        check_palette(model.classes.ids, model.classes.ignore_id, form.ids)
    check_threshold(threshold, len(model.classes))


def _reason(error: Exception, image: Path, out: Path) -> str | None:
    """Why one image has no result; None: the next ones would not have one either."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        if ends_the_batch(error):
            return None
        names_a_file = str(image) in text or f"{out}{os.sep}" in text
        return text if names_a_file else f"{image}: {text}"
    torch: Any = sys.modules.get("torch")  # where it was never imported, nothing of it failed
    lacks_memory = isinstance(error, MemoryError) or "not enough memory" in text
    lacks_memory = lacks_memory or (torch is not None and isinstance(error, torch.OutOfMemoryError))
    if lacks_memory or "DefaultCPUAllocator" in text:
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()
        return f"{image}: not enough memory; take --batch-size 1, or windows instead of whole images"
    return None


def _images(count: int) -> str:
    return f"{count} image" if count == 1 else f"{count} images"
