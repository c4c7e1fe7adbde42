"""What makes the source easy to find one's way in, counted as ``benchmarks/structure.py`` counts it."""

import ast
import importlib.util
from collections import defaultdict
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "structure.py"


@pytest.fixture(scope="module")
def structure():
    spec = importlib.util.spec_from_file_location("structure", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_setting_is_written_in_three_files_at_most(structure):
    for setting, pattern in structure.SETTINGS.items():
        others = structure.OTHERS.get(setting, ())
        found = [name for name in structure.files_with(structure.sources(), pattern) if name not in others]
        assert 1 <= len(found) <= 3, f"{setting}: {found}"


def test_nothing_above_the_heads_asks_which_head_it_has(structure):
    assert structure.branches(structure.sources()) == []
    asked = {"api/some.py": "if isinstance(model.head, Mask2FormerHead):\n    pass\nif kind == 'upernet':"}
    assert structure.branches(asked) == ["api/some.py:1", "api/some.py:3"]


def test_no_two_classes_have_one_name(structure):
    places = defaultdict(list)
    for file, text in structure.sources().items():
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(file)
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
