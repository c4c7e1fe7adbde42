"""Every Python example in the README and the docs runs; every command in them exists and parses."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list:
    return [
        pytest.param(code, id=f"{page.name}-{number}")
        for page in PAGES
        for number, (kind, code) in enumerate(FENCE.findall(page.read_text(encoding="utf-8")))
        if kind == language
    ]


@pytest.mark.slow
@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_run(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def commands_of(page: Path) -> list[tuple[str, ...]]:
    """The vit-adapter commands of a page as words, in its order."""
    found = []
    for kind, code in FENCE.findall(page.read_text(encoding="utf-8")):
        if kind == "sh":
            joined = code.replace("\\\n", " ")
            found += [
                tuple(shlex.split(line, comments=True))
                for line in joined.splitlines()
                if line.startswith("vit-adapter ")
            ]
    return found


def commands() -> list[tuple[str, ...]]:
    return sorted({words for page in PAGES for words in commands_of(page)})


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_commands_have_only_options_that_exist(words):
    """Options are looked up in the command's own help page."""
    command = list(words[1:3]) if words[1] == "data" else [words[1]]
    page = subprocess.run(
        [sys.executable, "-m", "vit_adapter.cli.main", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for option in (word.split("=")[0] for word in words if word.startswith("--")):
        assert option in page, f"{option} is no option of {' '.join(command)}"


def test_relative_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
