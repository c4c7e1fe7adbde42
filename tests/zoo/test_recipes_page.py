"""``docs/recipes.md`` is what its script makes, and says that every key of every model is matched."""

import gzip
import importlib.util
import json
import re
from pathlib import Path

import pytest

from golden.roots import OWN_ROOT, find_records
from vit_adapter.zoo.recipes import RECIPES

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "recipes.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def script():
    specification = importlib.util.spec_from_file_location("make_recipes", DOCS / "make_recipes.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(script, monkeypatch):
    """Keys are counted off the manifests: that all are matched is the golden tests' business, and takes long.

    The table of records is taken from the page: it needs all records, which not everyone has.
    """

    def keys_of(recipe):
        content = gzip.decompress((script.MANIFESTS / f"{recipe.name}.json.gz").read_bytes())
        return (len(json.loads(content)["keys"]),) * 2

    monkeypatch.setattr(script, "matched_keys", keys_of)
    assert script.make_page(script.stored_records(TEXT)) == TEXT, "run: python docs/make_recipes.py"


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("upernet_deit_adapter_tiny_512_160k_ade20k", 492),
        ("mask2former_beit_adapter_base_512_40k_cocostuff10k", 738),
    ],
)
def test_how_keys_are_counted(script, name, keys):
    assert script.matched_keys(RECIPES[name]) == (keys, keys)


def test_every_recipe_has_its_row_with_all_keys_matched():
    rows = re.findall(r"^\| (\w+) \| [^|]+ \| ([\d,]+) \| (\d+) of (\d+) \|", TEXT, re.MULTILINE)
    assert {name: int(parameters.replace(",", "")) for name, parameters, _, _ in rows} == {
        name: recipe.parameters for name, recipe in RECIPES.items()
    }
    assert all(matched == keys and int(keys) > 300 for _, _, matched, keys in rows)


def test_different_tests_have_different_words(script):
    for one in RECIPES.values():
        for other in RECIPES.values():
            same = script.protocol_words(one.protocol) == script.protocol_words(other.protocol)
            assert same == (one.protocol == other.protocol), (one.name, other.name)
            pairs = [(recipe.multi_scale, recipe.protocol) for recipe in (one, other)]
            same = same and script.protocol_words(*pairs[0]) == script.protocol_words(*pairs[1])
            assert same == (pairs[0] == pairs[1]), (one.name, other.name)


def test_the_table_of_records_knows_every_area(script):
    rows = dict(
        re.findall(r"^\| (\d\d|\w+) \|[^|]*\| (\d+) \|", TEXT[TEXT.index(script.RECORDS) :], re.MULTILINE)
    )
    own = [
        record.area if record.area in rows else record.area.split("_")[0]
        for record in find_records([OWN_ROOT])
    ]
    assert set(own) <= set(script.AREAS) == set(rows) - {"all"}
    assert all(own.count(area) <= int(rows[area]) for area in set(own))
    assert int(rows["all"]) == sum(int(count) for area, count in rows.items() if area != "all")
