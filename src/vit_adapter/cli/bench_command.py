"""``vit-adapter bench``."""

from collections.abc import Sequence

from .parsing import make_parser, parse

DESCRIPTION = """Measures our forms of operators beside the reference forms on random weights: ratios, memory, parts.
Every row is written to the JSON file at once; the same command goes on where it was stopped."""


def run(words: Sequence[str]) -> int:
    """Measures, prints and writes."""
    parser = make_parser("bench", DESCRIPTION)
    add = parser.add_argument
    add(
        "rows",
        type=str,
        nargs="*",
        default=["main"],
        help="main, more, curves, peers, all, or parts of rows' names",
    )
    add("--out", type=str, default="bench.json", help="the JSON file")
    add("--page", type=str, default=None, help="a Markdown page to write from it")
    add("--device", type=str, default="auto", help="auto, cpu, cuda or cuda:1")
    add("--threads", type=int | None, default=None, help="threads of the CPU; torch's own number by default")
    add(
        "--size", type=int | None, default=None, help="side of the images in pixels, instead of the rows' own"
    )
    add("--repeats", type=int, default=5, help="timed runs of each side, at most")
    add(
        "--seconds",
        type=float,
        default=40.0,
        help="a row stops repeating after so long (with three runs at least)",
    )
    add("--warmup", type=int, default=1, help="runs before those that count")
    add("--again", action="store_true", help="measure rows that the file has already as well")
    values = parse(parser, words)

    from vit_adapter import api

    api.bench(
        values.rows,
        values.out,
        device=values.device,
        threads=values.threads,
        size=values.size,
        repeats=values.repeats,
        seconds=values.seconds,
        warmup=values.warmup,
        again=values.again,
        page=values.page,
    )
    return 0
