"""Lines for people."""

from collections.abc import Sequence

from rich.console import Console


def print_lines(console: Console, lines: Sequence[str]) -> None:
    """Print as they are: names of classes and files may look like markup."""
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
