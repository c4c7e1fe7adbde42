"""``pytest -m ROOM`` selects the unit tests, recorded numbers and situations of a room."""

import os
import subprocess
import sys
import tomllib
from collections import defaultdict

import pytest

from rooms import GOLDEN, OTHER_FILES, ROOMS, TESTS

PRINTS_MARKS = """
import sys
import pytest

class Prints:
    def __init__(self, word):
        self.word = word

    def pytest_collection_finish(self, session):
        for item in session.items:
            place = item.path.relative_to(session.config.rootpath / "tests").parts[0]
            for mark in {mark.name for mark in item.iter_markers()}:
                print(self.word, mark, place)

collect = ["--collect-only", "-qq", "-p", "no:cacheprovider"]
pytest.main([*collect, "-m", "heads", "tests/heads", "tests/ops"], [Prints("HEADS")])
sys.exit(pytest.main([*collect, "tests"], [Prints("ALL")]))
"""


def test_every_room_is_registered():
    settings = tomllib.loads((TESTS.parent / "pyproject.toml").read_text("utf-8"))
    marks = {line.split(":")[0] for line in settings["tool"]["pytest"]["ini_options"]["markers"]}
    assert set(ROOMS) <= marks


def test_the_tables_name_rooms_and_files_that_exist():
    named = {room for rooms in (*GOLDEN.values(), *OTHER_FILES.values()) for room in rooms.split()}
    assert named <= set(ROOMS)
    assert [name for name in OTHER_FILES if not (TESTS / name).exists()] == []


@pytest.mark.slow
def test_every_room_s_mark_selects_its_tests():
    run = subprocess.run(
        [sys.executable, "-c", PRINTS_MARKS],
        cwd=TESTS.parent,
        env={**os.environ, "VIT_ADAPTER_GOLDEN": ""},  # those in the repository
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    places, selected = defaultdict(set), set()
    for line in run.stdout.splitlines():
        word, mark, place = [*line.split(), "", "", ""][:3]
        if word == "ALL":
            places[mark].add(place)
        if word == "HEADS":
            selected.add(place)
    assert selected == {"heads"}
    assert [room for room in ROOMS if not places[room]] == []
    assert [room for room in ROOMS if (TESTS / room).is_dir() and room not in places[room]] == []
    assert {"heads", "golden", "situations"} <= places["heads"]
    assert {"backbones", "golden", "situations"} <= places["backbones"]
    assert {"data", "golden", "situations"} <= places["data"]
