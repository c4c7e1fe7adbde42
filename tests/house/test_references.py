"""Comments cite behaviours and situations by number: each number has its entry, and each behaviour is cited.

A reader of "(behaviour 9)" or "(S41)" finds it in ``docs/behaviours.md`` or ``docs/situations.md``, never in a document
outside the repository.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BEHAVIOURS = ROOT / "docs" / "behaviours.md"
SITUATIONS = ROOT / "docs" / "situations.md"
SOURCES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md")),
    *(
        file
        for folder in ("src", "tests", "benchmarks", "docs")
        for kind in ("*.py", "*.md", "*.yaml")
        for file in sorted((ROOT / folder).rglob(kind))
        if file not in (BEHAVIOURS, Path(__file__))
    ),
]
ENTRY = re.compile(r'^- <a id="b(\d+)"></a>\*\*(\d+)\. ', re.MULTILINE)
CITED = re.compile(r"\bbehaviours? (\d+(?:(?:, | and | to )\d+)*)", re.IGNORECASE)
LINKED = re.compile(r"behaviours\.md#b(\d+)")
OUTSIDE = re.compile(
    r"\b(?:[Rr]ules?|[Ii]tems?|[Ii]ssues?|FACTS) (?:rule )?#?\d|\bFACTS\.md|\bBEHAVIOURS_|\bDESIGN\b"
)


def text_of(file: Path) -> str:
    """A file as running text: comments and paragraphs may be broken anywhere."""
    return re.sub(r"\s*\n[ \t]*(?:# ?)?", " ", file.read_text(encoding="utf-8"))


def cited_numbers(text: str) -> set[int]:
    """All numbers that a text cites: "behaviours 3, 5 and 7 to 9" are five."""
    numbers = {int(number) for number in LINKED.findall(text)}
    for found in CITED.findall(text):
        for part in re.split(r", | and ", found):
            ends = [int(end) for end in part.split(" to ")]
            numbers |= set(range(ends[0], ends[-1] + 1))
    return numbers


def entries() -> list[int]:
    found = ENTRY.findall(BEHAVIOURS.read_text(encoding="utf-8"))
    assert all(anchor == number for anchor, number in found), "an anchor and its printed number differ"
    return [int(number) for _, number in found]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("as published (behaviour 9).", {9}),
        ("behaviours 3, 5 and 7 to 9", {3, 5, 7, 8, 9}),
        ("[why](behaviours.md#b12) the published behaviour", {12}),
        ("8 behaviours and 2 tests", set()),
    ],
)
def test_how_citations_are_read(text, numbers):
    assert cited_numbers(text) == numbers


def test_every_cited_behaviour_has_an_entry_and_every_entry_is_cited():
    known = entries()
    assert sorted(known) == list(range(1, len(known) + 1)), "numbers are missing or stand twice"
    cited = set()
    for file in SOURCES:
        numbers = cited_numbers(text_of(file))
        assert numbers <= set(known), f"{file}: no entry of docs/behaviours.md is {numbers - set(known)}"
        cited |= numbers
    assert cited == set(known), f"docs/behaviours.md: nothing cites {sorted(set(known) - cited)}"


def test_files_named_by_the_page_exist():
    names = re.findall(r"`([\w/]+\.py)`", BEHAVIOURS.read_text(encoding="utf-8"))
    assert len(names) > len(entries())
    for name in names:
        folder = ROOT if name.startswith("tests/") else ROOT / "src" / "vit_adapter"
        assert (folder / name).is_file(), f"docs/behaviours.md names {name}, which is no file any more"


def test_every_cited_situation_has_its_line():
    known = set(re.findall(r"^(?:\| |- )(S\d{2,3})\b", SITUATIONS.read_text(encoding="utf-8"), re.MULTILINE))
    for file in SOURCES:
        cited = set(re.findall(r"\bS\d{2,3}\b", file.read_text(encoding="utf-8")))
        assert cited <= known, f"{file}: docs/situations.md has no {sorted(cited - known)}"


def test_nothing_cites_a_document_outside_the_repository():
    for file in SOURCES:
        found = OUTSIDE.search(text_of(file))
        assert found is None, (
            f"{file}: {found and found[0]!r} is not in the repository; cite docs/behaviours.md"
        )
