"""Writes docs/situations.md from the tests of this folder: ``python tests/situations/make_table.py``."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "situations.md"
TEST = re.compile(r"test_s(\d{2,3})_")

TITLES = {
    "Labels and masks": {
        1: "Palettes that disagree inside one folder",
        2: "0/255 masks, and one stray 0/1 mask among them",
        3: "Swapping ids one after the other",
        4: "Floating-point GeoTIFF mask with a no-data value",
        5: "Resizing must not invent classes",
        6: "Padding and rotation filled with class 0",
        7: "Labels as bytes, as longs, as fractions",
        8: "Same stem, two suffixes",
        9: "More than 255 classes while 255 means void",
        10: "One class only",
        11: "CVAT export as it comes out of the zip",
    },
    "Odd image files": {
        12: "EXIF rotation on a square photo",
        13: "16-bit greys clipped to white",
        14: "Colour hidden under transparency",
        15: "Process-wide switches left behind",
        16: "Large but honest images",
        17: "Names outside ASCII",
        18: "Files that systems add to folders",
        19: "Fractions scaled twice, or never",
        20: "Grey and colour in one batch",
    },
    "Sizes": {
        21: "Image smaller than the window",
        22: "One pixel high",
        23: "Height and width exchanged, or the wrong side cropped",
        24: "Position table with as many tokens as before, and grids off by one",
        25: "Neighbours in a batch change the result",
        26: "Which pixel is the nearest",
    },
    "Tiny or unbalanced data": {
        27: "Fewer images than the batch",
        28: "One image left over for batch norm",
        29: "Splits of one and two images; copies on both sides",
        30: "Validation interval longer than the data",
    },
    "Metrics": {
        31: "Mean of per-image scores against one matrix",
        32: "Byte overflow in the matrix index",
        33: "Counters that stop at 16.7 million",
        34: "Truth resized for the metric",
        35: "Annotation number 0",
        36: "Annotation numbers that repeat",
        37: "No prediction at all",
        38: "Small or medium, by mask or by box",
        39: "The mirrored view has to be turned back",
    },
    "Training numerics": {
        40: "Which pixels the loss is averaged over",
        41: "Accumulation equals the large batch",
        42: "Matching costs that are not finite",
        43: "Half-precision sums in the matcher and the dice loss",
        44: "Workers that repeat each other",
    },
    "Resume and crash": {
        45: "Killed in the middle of a pass",
        46: "The best score is forgotten",
        47: "A longer run from an old checkpoint",
        48: "Checkpoint cut short",
        49: "Optimiser memory matched by position",
        50: "Order of classes out of a set",
    },
    "Multi-process": {
        51: "One process without anything to learn from",
        52: "Decisions taken per process",
        53: "Object counts over processes",
        54: "Same random numbers on every process",
        55: "One run, one folder",
    },
    "Memory": {
        56: "Evaluation that keeps everything",
        57: "More than 2^31 elements in one resize",
    },
    "Checkpoints and weights": {
        58: "Nothing loaded, nothing said",
        59: "Self-supervised checkpoints as they are on disk",
        60: "A scalar in the meta data",
        61: "Head rows copied by number",
        62: "Another model than the one asked for",
        63: "Number of tokens before the grid",
        64: "Normalisation travels with the model",
    },
    "Configuration mistakes": {
        65: "Class names that YAML reads as something else",
        66: "Class tables keyed by text or by number",
        67: "A schedule made for another length",
    },
    "Export": {
        68: "Sizes frozen into the graph",
    },
    "Windows, macOS, versions": {
        69: "Class file written by a Windows editor",
        70: "Spawned workers",
        71: "Memory order of the input",
    },
    "Video and output files": {
        72: "A video where a photo is expected",
    },
    "Instance and panoptic data": {
        73: "Category numbers with gaps",
        74: "Crowd flag missing, and crowds in training",
        75: "Panoptic ids beyond two bytes",
        76: "Shapes that are not polygons",
        77: "Holes and parts",
        78: "Run-length order and size",
        79: "Area of a drawn polygon",
        80: "Thing pixels without an instance",
    },
    "Performance": {
        81: "Compiled model meets photos of many sizes",
    },
}
"""The first situations by number, under their headings; later files bring a HEADING and TITLES of their own."""


@dataclass(frozen=True)
class SituationTest:
    """A test of a situation.

    Attributes:
        number: Of the situation.
        name: Of the function.
        file: Name of its file.
        text: Its docstring on one line: what the tool does.
    """

    number: int
    name: str
    file: str
    text: str


def all_titles() -> dict[str, dict[int, str]]:
    """Every situation's title by number, under its heading: those above and those that test files bring."""
    titles = {heading: dict(rows) for heading, rows in TITLES.items()}
    for path in sorted(FOLDER.glob("test_*.py")):
        own: dict[str, str | dict[int, str]] = {}
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if name in ("HEADING", "TITLES"):
                    own[name] = ast.literal_eval(node.value)
        if own:
            rows = titles.setdefault(str(own["HEADING"]), {})
            rows.update(own["TITLES"])  # pyright: ignore
    return titles


def expected_numbers() -> list[int]:
    """Situations that must have a test."""
    return sorted(number for titles in all_titles().values() for number in titles)


def find_tests() -> list[SituationTest]:
    """All tests of situations, read from the sources of this folder, in the order of the situations."""
    found = []
    for path in sorted(FOLDER.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and (match := TEST.match(node.name)):
                text = " ".join((ast.get_docstring(node) or "").split())
                found.append(SituationTest(int(match[1]), node.name, path.name, text))
    return sorted(found, key=lambda test: test.number)


def page() -> str:
    """The whole page as Markdown."""
    tests = find_tests()
    lines = [
        "# Situations",
        "",
        "Small inputs with which tools of this kind went wrong in silence, and what this one does with them. Each line",
        "is made from the tests in [tests/situations](../tests/situations), which make the input and assert the value:",
        "`python tests/situations/make_table.py` writes this page.",
    ]
    for heading, titles in all_titles().items():
        rows = []
        for number, title in titles.items():
            own = [test for test in tests if test.number == number]
            if own:
                does = " ".join(dict.fromkeys(test.text for test in own if test.text)).replace("|", "\\|")
                links = ", ".join(
                    f"[{file}](../tests/situations/{file})"
                    for file in dict.fromkeys(test.file for test in own)
                )
                rows.append(f"| S{number:02} | {title} | {does} | {links} |")
        if rows:
            lines += [
                "",
                f"## {heading}",
                "",
                "| | situation | what the tool does | test |",
                "|---|---|---|---|",
                *rows,
            ]
    lines += [
        "",
        "## Devices",
        "",
        "CUDA is held to the CPU's numbers by tests that run only where such a device is; MPS is untested.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE}: {len(find_tests())} tests of {len({test.number for test in find_tests()})} situations")
