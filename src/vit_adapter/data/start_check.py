"""The data check on a sample, before a run begins: what would stop it later stops it now."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from vit_adapter.config import InputError
from vit_adapter.config.counting import counted

from .check import Looked, count_classes, look, report_copies, report_files, report_palettes
from .file_dataset import FileDataset
from .label_findings import report_unknown, unlabelled
from .layouts.pairs import Pair
from .report import Report
from .sample import AnnotatedImages
from .scan import THREADS, evenly

LOOKED_AT = 64  # images of each part, with their masks: seconds
MEGAPIXELS = 100  # of images; about so many are decoded, so that large ones take seconds too
AT_A_TIME = 8
MOST_WARNINGS = 3
_WORDS = {"train": "training", "val": "validation", "test": "test"}


def check_before_run(parts: Mapping[str, AnnotatedImages], first: int | None = None) -> list[str]:
    """Looks at up to 64 images of each part with their masks, as ``data check`` looks at all.

    Of large images fewer are looked at: no more are begun when about 100 megapixels were decoded.

    Args:
        parts: Opened parts of one data set, "train", "val" or both, or "test".
        first: Only so many images of each part will be used; None: all.

    Returns:
        Lines for the user: how many were looked at, and the first warnings. Empty for embedded scenes.

    Raises:
        InputError: The first error, with the number of the others.
    """
    files = {name: part for name, part in parts.items() if isinstance(part, FileDataset)}
    if not files:
        return []
    report, whole = look_at_sample(files, first)
    errors, warnings = (
        [finding.text for finding in report.findings if finding.level == level]
        for level in ("error", "warning")
    )
    command = f"vit-adapter data check {report.root}"
    if errors:
        more = f" (and {counted(len(errors) - 1, 'further error')}; see {command})" if len(errors) > 1 else ""
        raise InputError(errors[0] + more)
    counts = " and ".join(
        f"{report.image_counts[name]} of {len(part)} {_WORDS[name]}" for name, part in files.items()
    )
    found = counted(len(warnings), "warning") if warnings else "nothing wrong"
    rest = "" if whole else f"; {command} looks at all"
    lines = [f"checked {counts} images with their masks: {found}{rest}"]
    lines += [f"warning: {text}" for text in warnings[:MOST_WARNINGS]]
    if len(warnings) > MOST_WARNINGS:
        lines.append(f"and {counted(len(warnings) - MOST_WARNINGS, 'further warning')}; see {command}")
    return lines


def look_at_sample(files: Mapping[str, FileDataset], first: int | None = None) -> tuple[Report, bool]:
    """The report on the sample, with the number looked at in ``images``, and whether that was everything.

    Which classes occur is reported only when everything was checked: a sample may lack rare ones.
    """
    opened = next(iter(files.values()))
    report = Report(opened.config.root, "")
    items = [(name, pair) for name, part in files.items() for pair in evenly(part.pairs[:first], LOOKED_AT)]
    looked = _look_at(items, opened)
    report.image_counts = {name: sum(item.part == name for item in looked) for name in files}
    report.looked_at = len(looked)
    report_files(report, opened.config, looked)
    report_copies(report, looked)
    masks = [(item.part, item.summary) for item in looked if item.summary is not None]
    summaries = [summary for _, summary in masks]
    if opened.reading.colours is None:
        report_palettes(report, summaries)
    report_unknown(report, opened.mapping, summaries)
    report.add("warning", unlabelled(summaries, opened.mapping))
    whole = all(report.image_counts[name] == len(part) for name, part in files.items())
    if whole and files.keys() == {"train", "val"}:
        count_classes(report, opened.mapping, masks)
    return report, whole


def _look_at(items: Sequence[tuple[str, Pair]], opened: FileDataset) -> list[Looked]:
    """The items that fit into the number of pixels, spread evenly, in their order."""
    steps = -(-len(items) // AT_A_TIME)
    found: dict[int, Looked] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(steps):
            numbers = range(start, len(items), steps)
            looked = pool.map(lambda n: look(opened.images, opened.reading, *items[n]), numbers)
            found |= dict(zip(numbers, looked))
            pixels = sum(math.prod(item.image_size) for item in found.values() if item.image_size)
            if pixels >= MEGAPIXELS * 1_000_000:
                break
    return [found[number] for number in sorted(found)]
