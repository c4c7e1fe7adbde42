"""The programs in benchmarks/ are not run by the tests, but they start: what they import is there."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
PROGRAMS = sorted(
    path.relative_to(FOLDER).as_posix()
    for path in FOLDER.rglob("*.py")
    if "__main__" in path.read_text("utf-8")
)

START = """
import runpy, sys
path, folder = sys.argv[1:]
sys.path.insert(0, folder)
runpy.run_path(path, run_name="imported")
"""


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_program_starts(program):
    """Everything that it imports exists; nothing is run."""
    path = FOLDER / program
    words = [sys.executable, "-c", START, str(path), str(path.parent)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
