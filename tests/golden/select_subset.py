"""Chooses the repository's own records from full roots: python tests/golden/select_subset.py ROOT [ROOT ...]

First what is kept whole: manifests, optimiser groups, data-set facts. Then one record of every form, where a form is
what the specification says of how a record was made: area, official class or step, mode, kind of tolerance, with or
without weights and random draws; the smallest record stands for all of its form. The forms with weights in training
mode come first, since those have gradients, with the smallest one in evaluation mode of areas that have none; then all
others, small ones first, until the limit is reached. What room is left is filled with the smallest further records.
Single large records are left out.
"""

import shutil
import sys
from pathlib import Path

from roots import FOLDERS, OWN_ROOT, Record, find_records, read_spec
from safetensors import safe_open

LIMIT = 13_800_000  # bytes; the house allows 14 MB
WHOLE = ("manifests", "optimizer", "datasets")
LARGEST = 1_300_000  # bytes of one record
LATER = ("10", "11", "27", "panoptic", "instances")
"""Of what is not built yet only the small records are kept."""
LATER_LIMIT = 100_000  # bytes


def size_of(record: Record) -> int:
    """In bytes."""
    return record.path.stat().st_size


def form_of(record: Record) -> tuple:
    """What tells a kind of record from the others."""
    if record.path.suffix != ".safetensors":
        return record.folder, record.path.name
    spec = read_spec(record.path)
    # Numbered records of the pipeline, the metrics and the tables are of one kind: ``photometric__3``.
    maker = spec.get("official", record.path.stem.rstrip("0123456789"))
    return record.area, maker, spec.get("mode"), tuple(sorted(spec["tolerance"])), *contents_of(record)


def contents_of(record: Record) -> tuple[bool, bool]:
    """Whether a record holds weights, random draws."""
    with safe_open(record.path, "pt") as file:
        keys = list(file.keys())
    return tuple(  # pyright: ignore
        any(key.startswith(beginnings) for key in keys)
        for beginnings in ("weight/", ("input/rand.", "draws/"))
    )


def has_weights(record: Record) -> bool:
    """Whether a record is a computation with weights."""
    return record.path.suffix == ".safetensors" and contents_of(record)[0]


def ranked(records: list[Record]) -> list[Record]:
    """Records by how much they are needed."""
    by_size = sorted(records, key=size_of)
    forms: dict[tuple, Record] = {}
    for record in by_size:
        forms.setdefault(form_of(record), record)
    computed = [record for record in forms.values() if has_weights(record)]
    needed = [record for record in computed if is_training(record)]
    for record in computed:
        if record.area not in {other.area for other in needed}:
            needed.append(record)
    return list(dict.fromkeys([*needed, *forms.values(), *by_size]))


def is_training(record: Record) -> bool:
    """Whether a record was made in training mode."""
    return read_spec(record.path).get("mode") == "train"


def main(roots: list[Path]) -> None:
    """Replaces the repository's records by the chosen ones."""
    records = find_records(roots)
    later = [r for r in records if r.path.name.startswith(LATER) and r.folder in ("cases", "metrics")]
    records = [r for r in records if r not in later or size_of(r) <= LATER_LIMIT]
    records = [record for record in records if size_of(record) <= LARGEST]
    chosen = [record for record in records if record.folder in WHOLE]
    total = sum(map(size_of, chosen))
    for record in ranked([record for record in records if record.folder not in WHOLE]):
        if total + size_of(record) <= LIMIT:
            chosen.append(record)
            total += size_of(record)
    contents = {record: record.path.read_bytes() for record in chosen}
    shutil.rmtree(OWN_ROOT, ignore_errors=True)
    for record, content in contents.items():
        target = OWN_ROOT / record.folder / record.path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    forms, all_forms = {form_of(record) for record in chosen}, {form_of(record) for record in records}
    print(f"{len(chosen)} records, {total / 1e6:.1f} MB, {len(forms)} of {len(all_forms)} forms; without:")
    for form in sorted(all_forms - forms, key=str):
        print("   ", *form)
    assert {record.folder for record in chosen} == set(FOLDERS)


if __name__ == "__main__":
    main([Path(root) for root in sys.argv[1:]])
