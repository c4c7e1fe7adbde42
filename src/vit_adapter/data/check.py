"""The data check: everything that would stop or spoil a training run, collected instead of stopping at the first."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from vit_adapter.config import ClassTable, DataConfig, InputError
from vit_adapter.config.class_table import LARGEST_ID
from vit_adapter.config.counting import counted
from vit_adapter.config.mirrored import mirror_warning
from vit_adapter.images import ImageRemarks, UnreadableImageError

from .dataset import dropped, only_void, open_dataset, with_pairs
from .file_dataset import FileDataset, check_size
from .image_reading import ImageReading
from .label_findings import needless_shift, report_unknown, slips, too_large, unlabelled, void_classes
from .labels import LabelMapping
from .layouts.folder_objects import FolderObjects
from .layouts.layout import Layout
from .layouts.pairs import Pair
from .mapping import require_two_classes
from .object_check import ObjectsSeen, look_at_objects, report_objects
from .report import ClassRow, Report
from .scan import THREADS, MaskReading, MaskSummary, Palettes, found_values, hidden_foreground
from .scene_check import check_scenes
from .source import Source


@dataclass(frozen=True)
class Looked:
    """A pair after both files were read; what could not be read is None."""

    pair: Pair
    part: str
    summary: MaskSummary | None
    mask_error: str | None
    image_size: tuple[int, ...] | None
    image_error: str | None
    damaged: bool
    digest: str | None
    remarks: ImageRemarks


def check_dataset(config: DataConfig, sample: int | None = None) -> Report:
    """Checks a data set.

    Reported are: files that belong nowhere, images and masks that cannot be read or of which there are several in a
    file, sizes that differ, values outside
    the classes (each with the first file that has it and the setting that helps), 0/255 masks, palettes that
    disagree, classes that never occur, empty or single-image parts, and images that are on both sides of
    the split byte by byte.

    Args:
        config: Where the data set is and how its masks are to be read.
        sample: Number of pairs to check, spread evenly over both parts; None: all.

    Raises:
        InputError: When there is no data set to look at, or the class list cannot be used.
    """
    if config.layout == "scenes":
        return check_scenes(config, sample)
    source = Source.find(config)
    parts = source.layout.parts
    report = Report(str(source.layout.root), source.layout.name, source.where)
    for name, part in parts.items():
        report.image_counts[name] = len(part.pairs)
        report.add("error", part.problems)
        if not part.pairs and not part.problems:
            report.add("error", f"{source.layout.root}: the {name} part holds no image")
        elif len(part.pairs) == 1:
            report.add("warning", f"the {name} part holds a single image, {part.pairs[0].image}")
    if source.layout.remark:
        report.add("note", source.layout.remark)
    report.add("note", source.remarks)
    everything = [(name, pair) for name, part in parts.items() for pair in part.pairs]
    if sample is not None and sample < len(everything):
        everything = [everything[index * len(everything) // sample] for index in range(sample)]
    report.looked_at = len(everything)
    with ThreadPoolExecutor(THREADS) as pool:
        looked = list(pool.map(lambda item: look(source.images, source.reading, *item), everything))
    report_files(report, config, looked)
    report_copies(report, looked)
    _report_labels(report, source, looked)
    if source.layout.objects is not None and report.ok:
        _report_objects(report, config, source.layout, looked)
        report.wrong_objects = not report.ok and isinstance(source.layout.objects, FolderObjects)
    return report


def _report_objects(report: Report, config: DataConfig, layout: Layout, looked: Sequence[Looked]) -> None:
    """Objects of the images that were looked at; what their files lack is an error."""
    report.tasks = layout.tasks
    seen: list[ObjectsSeen] = []
    table = None
    for part in ("train", "val"):
        try:
            dataset = open_dataset(config, part, task=layout.tasks[0])
        except InputError as error:
            report.add("error", str(error))
            return
        assert isinstance(dataset, FileDataset)
        table = dataset.classes
        wanted = {item.pair.mask for item in looked if item.part == part}
        files = [(index, pair.image) for index, pair in enumerate(dataset.pairs) if pair.mask in wanted]
        found, errors = look_at_objects(dataset, part, files)
        report.add("error", errors)
        seen += found
    if table is not None and report.ok:
        report_objects(report, table, seen, isinstance(layout.objects, FolderObjects))


def look(images: ImageReading, reading: MaskReading, part: str, pair: Pair) -> Looked:
    """Reads both files of a pair, and keeps what cannot be read as text."""
    summary, mask_error, image_size, image_error, damaged = None, None, None, None, False
    remarks = ImageRemarks()
    try:
        summary = reading.summarize(pair.mask)
    except InputError as error:
        mask_error = str(error)
    try:
        image_size = images.load(pair.image, remarks).shape[:2]
    except InputError as error:
        image_error, damaged = str(error), isinstance(error, UnreadableImageError)
    try:
        digest = _digest(pair.image)
    except OSError:
        digest = None
    return Looked(pair, part, summary, mask_error, image_size, image_error, damaged, digest, remarks)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def report_files(report: Report, config: DataConfig, looked: Sequence[Looked]) -> None:
    """Files that cannot be read, and images and masks of different sizes."""
    errors: list[str] = []
    skipped: list[str] = []
    for item in looked:
        if item.mask_error is not None:
            errors.append(item.mask_error)
        if item.image_error is not None:
            stops = config.stop_on_bad_image or not item.damaged
            (errors if stops else skipped).append(item.image_error)
        if item.image_size is not None and item.summary is not None:
            try:
                check_size(item.pair, item.image_size, item.summary.size)
            except InputError as error:
                errors.append(str(error))
    report.add("error", errors)
    report.add("warning", skipped)
    report.add("warning", ImageRemarks().add(item.remarks for item in looked).lines())
    if looked and len(skipped) == len(looked):
        report.add("error", f"{report.root}: none of the {len(skipped)} images can be decoded")
    elif skipped:
        report.add("note", f"training skips {counted(len(skipped), 'image')} that cannot be decoded")


def report_copies(report: Report, looked: Sequence[Looked]) -> None:
    """Byte-identical images on both sides make the score too good."""
    first: dict[str, Path] = {}
    for item in looked:
        if item.part == "train" and item.digest is not None:
            first.setdefault(item.digest, item.pair.image)
    report.add(
        "warning",
        [
            f"{item.pair.image} (val) is the same file as {first[item.digest]} (train): the score will be too good"
            for item in looked
            # A data set may train on its validation part, and say so: those are no copies.
            if item.part == "val" and item.digest in first and item.pair.image != first[item.digest]
        ],
    )


def _report_labels(report: Report, source: Source, looked: Sequence[Looked]) -> None:
    masks = [(item.part, item.summary) for item in looked if item.summary is not None]
    summaries = [summary for _, summary in masks]
    hidden = hidden_foreground(summaries) if source.reads_255_as_void else None
    if hidden is not None:
        report.add_unless_sampled(hidden)
    if source.reading.colours is None:
        report_palettes(report, summaries)
    report.add("error", too_large(source, summaries))
    found = {value for value in found_values(summaries) if value <= LARGEST_ID or not source.needs_values}
    mapping = source.mapping(found)
    colours_only = not found_values(summaries)
    if (
        summaries
        and hidden is None
        and not too_large(source, summaries)
        and not (colours_only and source.needs_values)
    ):
        try:
            where, lost = f"{report.root}: {source.where}", dropped(source, found)
            require_two_classes(mapping.table, where, source.config.one_class, lost)
        except InputError as error:
            report.add_unless_sampled(str(error))
    if not (colours_only and source.needs_values):
        report_mirrors(report, mapping.table, source.config)
    count_classes(report, mapping, masks)
    report_unknown(report, mapping, [some for some in summaries if not too_large(source, [some])])
    everything = report.looked_at == sum(report.image_counts.values())
    report.add(
        "warning", [*unlabelled(summaries, mapping), *(slips(summaries, mapping) if everything else [])]
    )
    report.add("note", [*needless_shift(source, summaries, everything), *void_classes(mapping.table)])
    if summaries and only_void(summaries, mapping):
        report.add_unless_sampled(f"{report.root}: all pixels of all {len(summaries)} masks are ignored")


def report_mirrors(report: Report, table: ClassTable, config: DataConfig) -> None:
    """Pairs of mirrored classes that fit nowhere, and names of sides without a pair."""
    try:
        table = with_pairs(table, config)
    except InputError as error:
        report.add("error", str(error))
        return
    mirrors = config.augmentation.mirrors()
    warning = None if mirrors is None else mirror_warning(table, mirrors, f"--{mirrors.split()[0]} 0")
    if warning is not None:
        report.add("warning", warning)


def report_palettes(report: Report, summaries: Sequence[MaskSummary]) -> None:
    """Palettes that give one index two colours."""
    palettes = Palettes()
    problems = []
    for summary in summaries:
        problems.append(palettes.problem(summary.file, summary.palette))
        palettes.add(summary.file, summary.palette)
    report.add("error", [problem for problem in problems if problem is not None])


def count_classes(report: Report, mapping: LabelMapping, masks: Sequence[tuple[str, MaskSummary]]) -> None:
    """Pixels and images of each class, and what is unusual about their number."""
    void = mapping.table.ignore_index
    pixels = dict.fromkeys([*range(len(mapping.table)), void, -1], 0)
    images = {part: dict.fromkeys(range(len(mapping.table)), 0) for part in ("train", "val")}
    for part, summary in masks:
        present = set()
        for code, count in summary.counts.items():
            label = mapping.label(code, summary.codes.coloured)
            pixels[-1 if label is None else label] += count
            present.add(label)
        for label in present & images[part].keys():
            images[part][label] += 1
    total = max(sum(pixels.values()), 1)
    for label, (name, id_) in enumerate(zip(mapping.table.names, mapping.table.ids)):
        train, val = images["train"][label], images["val"][label]
        report.rows.append(ClassRow(name, id_, pixels[label], pixels[label] / total, train, val))
    report.ignored_share, report.unknown_share = pixels[void] / total, pixels[-1] / total
    _report_rare(report)


def _report_rare(report: Report) -> None:
    if report.sampled:
        return  # rare classes may be in the others
    absent = [row.name for row in report.rows if not row.train and not row.val]
    unseen = [row.name for row in report.rows if row.val and not row.train]
    if absent:
        report.add(
            "note", f"classes that occur nowhere ({len(absent)} of {len(report.rows)}): {_some(absent)}"
        )
    present = [row for row in report.rows if row.train or row.val]
    if len(present) == 1 and len(report.rows) > 1:
        report.add(
            "warning",
            f"every pixel that counts is {present[0].name!r}, so a model learns to say that everywhere; if ignored "
            f"pixels ({report.ignored_share:.2%}) are the rest, make them a class with --data.label_map",
        )
    if unseen:
        report.add("warning", f"classes that occur in validation only: {_some(unseen)}")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
