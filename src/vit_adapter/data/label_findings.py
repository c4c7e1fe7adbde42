"""What is unusual about the values in masks: unknown ones, slips, masks without a label, needless shifts."""

from collections.abc import Sequence

from vit_adapter.config import ClassTable
from vit_adapter.config.class_table import LARGEST_ID

from .codes import NO_DATA
from .labels import LabelMapping
from .report import Report
from .scan import MaskSummary, found_values
from .source import Source

SLIP_PIXELS = 16  # a class of no more pixels, in few images, may be a slip of the brush ...
SLIP_SHARE = 1e-3  # ... if they are less than this share of all pixels
SLIP_IMAGES = 2
MANY = 3  # unknown values of one file that are worth one line each
MOST = 5
VOID_NAMES = ("void", "unlabeled", "unlabelled", "ignore", "ignored")


def report_unknown(report: Report, mapping: LabelMapping, summaries: Sequence[MaskSummary]) -> None:
    """One error for each unknown value, with the first file that has it; one for each file with many of them."""
    first: dict[tuple[int, bool], MaskSummary] = {}
    masks: dict[tuple[int, bool], int] = {}
    pixels: dict[tuple[int, bool], int] = {}
    coloured = [summary for summary in summaries if summary.codes.coloured]
    no_table = bool(coloured) and mapping.colours is None
    if no_table:
        # All colours need the same thing, a colour table: one file stands for all.
        text = mapping.unknown_message(coloured[0].counts, coloured[0].codes, str(coloured[0].file))
        report.add("error", f"{text} ({len(coloured)} of {len(summaries)} masks are coloured)")
    for summary in summaries:
        if no_table and summary.codes.coloured:
            continue
        unknown = {
            code: count
            for code, count in summary.counts.items()
            if mapping.label(code, summary.codes.coloured) is None
        }
        if len(unknown) > MANY:
            report.add("error", mapping.unknown_message(unknown, summary.codes, str(summary.file)))
            continue
        if mapping.binary:
            report.add("error", mapping.binary_problems(summary.counts, str(summary.file)))
        for code, count in unknown.items():
            key = code, summary.codes.coloured
            first.setdefault(key, summary)
            masks[key] = masks.get(key, 0) + 1
            pixels[key] = pixels.get(key, 0) + count
    for key in sorted(first, key=lambda key: -pixels[key]):
        summary = first[key]
        counts = {key[0]: summary.counts[key[0]]}
        text = mapping.unknown_message(counts, summary.codes, str(summary.file))
        if masks[key] > 1:
            text += f" (in {masks[key]} masks, {pixels[key]} pixels in all)"
        report.add("error", text)


def unlabelled(summaries: Sequence[MaskSummary], mapping: LabelMapping) -> list[str]:
    """A line on masks all of whose pixels are ignored, where others have labels."""
    void = mapping.table.ignore_index
    empty = [
        summary
        for summary in summaries
        if all(mapping.label(code, summary.codes.coloured) == void for code in summary.counts)
    ]
    if not empty or len(empty) == len(summaries):
        return []
    names = ", ".join(str(summary.file) for summary in empty[:MOST])
    more = f" and {len(empty) - MOST} more" if len(empty) > MOST else ""
    hold = "mask has" if len(empty) == 1 else "masks have"
    return [f"{len(empty)} of {len(summaries)} {hold} no labelled pixel, all of them ignored: {names}{more}"]


def slips(summaries: Sequence[MaskSummary], mapping: LabelMapping) -> list[str]:
    """A line on each class that so few pixels have that they may be a slip of the brush.

    Args:
        summaries: All masks of the data set: a sample may lack the other pixels.
        mapping: How their values are read.
    """
    pixels: dict[int, int] = {}
    files: dict[int, list[MaskSummary]] = {}
    for summary in summaries:
        for code, count in summary.counts.items():
            label = mapping.label(code, summary.codes.coloured)
            if label is not None and label != mapping.table.ignore_index:
                pixels[label] = pixels.get(label, 0) + count
                files.setdefault(label, []).append(summary)
    total = sum(sum(summary.counts.values()) for summary in summaries)
    lines = []
    for label, count in sorted(pixels.items(), key=lambda item: (item[1], item[0])):
        images = len({summary.file for summary in files[label]})
        if count > SLIP_PIXELS or count >= SLIP_SHARE * total or images > SLIP_IMAGES:
            continue
        table = mapping.table
        amount = f"{count} pixel{'s' * (count > 1)} in {images} image{'s' * (images > 1)}"
        lines.append(
            f"class {table.names[label]!r} (mask value {table.ids[label]}): {amount}, {files[label][0].file}: a slip?"
        )
    if len(lines) > MOST:
        more = f"{len(lines) - MOST} further classes have at most {SLIP_PIXELS} pixels each; were the masks smoothed?"
        return [*lines[:MOST], more]
    return lines


def void_classes(table: ClassTable) -> list[str]:
    """A line on each class whose name says that its pixels are not labelled."""
    return [
        f"class {name!r} (mask value {id_}) is learnt and counted like any other; where it means unlabelled pixels, "
        f'--data.ignored_values "[{id_}]" ignores them'
        for name, id_ in zip(table.names, table.ids, strict=True)
        if name.strip().lower().replace("_", " ") in VOID_NAMES
    ]


def needless_shift(source: Source, summaries: Sequence[MaskSummary], everything: bool) -> list[str]:
    """A line where ``--data.reduce_zero true`` was given and no mask holds the 0 that it ignores."""
    if not source.config.reduce_zero or not summaries or 0 in found_values(summaries):
        return []
    where = "no mask" if everything else f"none of the {len(summaries)} masks looked at"
    return [
        f"{where} holds the value 0, which --data.reduce_zero true ignores; it is meant for masks that count their "
        "classes from 1 and hold 0 where nothing is labelled"
    ]


def too_large(source: Source, summaries: Sequence[MaskSummary]) -> list[str]:
    """A line on each file with a value that no class can have, where the classes are the values found."""
    if not source.needs_values:
        return []
    lines = []
    for summary in summaries:
        values = [
            code
            for code in summary.counts
            if code > LARGEST_ID
            and code != NO_DATA
            and not summary.codes.coloured
            and code not in source.reading.ignored
        ]
        if values:
            more = f" (and {len(values) - 1} further such values)" if len(values) > 1 else ""
            lines.append(
                f"{summary.file}: holds the value {values[0]} in {summary.counts[values[0]]} pixels{more}, class ids "
                f"are 0..{LARGEST_ID}; give it a class number with --data.label_map, or set --data.ignored_values "
                f'"[{values[0]}]" to ignore it'
            )
    return lines
