"""The data check's look at a sample, made before a run begins: what would stop it late stops it now."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from vit_adapter.config import InputError

from .check import count_classes, look, report_copies, report_files, report_palettes, report_unknown
from .dataset import FileDataset
from .report import Report
from .sample import SegmentationDataset
from .scan import THREADS, evenly

LOOKED_AT = 64  # images of each part, with their masks: seconds
MOST_WARNINGS = 3


def check_before_run(parts: Mapping[str, SegmentationDataset], first: int | None = None) -> list[str]:
    """Looks at up to 64 images of each part with their masks, as ``data check`` looks at all.

    Args:
        parts: Opened parts of one data set, "train", "val" or both.
        first: Only so many images of each part will be used; None: all.

    Returns:
        Lines for people: how many were looked at, and the first warnings. Empty for embedded scenes.

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
        more = f" (and {len(errors) - 1} further errors; see {command})" if len(errors) > 1 else ""
        raise InputError(errors[0] + more)
    counts = " and ".join(
        f"{report.pictures[name]} of {len(part)} {'training' if name == 'train' else 'validation'}"
        for name, part in files.items()
    )
    found = f"{len(warnings)} warning{'s' * (len(warnings) > 1)}" if warnings else "nothing wrong"
    rest = "" if whole else f"; {command} looks at all"
    lines = [f"checked {counts} images with their masks: {found}{rest}"]
    lines += [f"warning: {text}" for text in warnings[:MOST_WARNINGS]]
    if len(warnings) > MOST_WARNINGS:
        lines.append(f"and {len(warnings) - MOST_WARNINGS} further warnings; see {command}")
    return lines


def look_at_sample(files: Mapping[str, FileDataset], first: int | None = None) -> tuple[Report, bool]:
    """The report on the sample, with the number looked at in ``pictures``, and whether that was everything.

    Which classes occur is told only of everything: a sample may lack rare ones.
    """
    opened = next(iter(files.values()))
    report = Report(opened.config.root, "")
    pairs = {name: evenly(part.pairs[:first], LOOKED_AT) for name, part in files.items()}
    report.pictures = {name: len(some) for name, some in pairs.items()}
    report.looked_at = sum(report.pictures.values())
    items = [(name, pair) for name, some in pairs.items() for pair in some]
    with ThreadPoolExecutor(THREADS) as pool:
        looked = list(pool.map(lambda item: look(opened.images, opened.reading, *item), items))
    report_files(report, opened.config, looked)
    report_copies(report, looked)
    masks = [(item.part, item.summary) for item in looked if item.summary is not None]
    summaries = [summary for _, summary in masks]
    if opened.reading.colours is None:
        report_palettes(report, summaries)
    report_unknown(report, opened.mapping, summaries)
    whole = all(len(pairs[name]) == len(part) for name, part in files.items())
    if whole and files.keys() == {"train", "val"}:
        count_classes(report, opened.mapping, masks)
    return report, whole
