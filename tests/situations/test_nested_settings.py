"""One setting of a section named: all others keep the model's, the ViT's or the recipe's value."""

import json
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from types import SimpleNamespace

import pytest
import yaml

from vit_adapter import InputError, Segmenter, api
from vit_adapter.api.protocols import applied_protocol, trained_protocol
from vit_adapter.cli.main import main
from vit_adapter.config import (
    ClassTable,
    DataConfig,
    InferenceConfig,
    Normalization,
    RunConfig,
    changed_protocol,
    to_plain,
)
from vit_adapter.config.changes import with_changes
from vit_adapter.zoo import get_recipe

from .making import halves, refusal, save_pairs, varied_model
from .training_parts import TINY_MODEL

HEADING = "Settings: what is named, and what is not"
TITLES = {101: "One setting named, the others lost"}
RECIPES = ["own_data", "mask2former_beit_adapter_large_896_80k_ade20k"]
SECTIONS = [
    "model",
    "model.vit",
    "model.backbone",
    "model.head",
    "data",
    "data.augmentation",
    "training",
    "evaluation",
]
OWN = Normalization((127.5,) * 3, (127.5,) * 3)
ODD = InferenceConfig(
    resize=(256, 64),
    multiple=None,
    crop=64,
    stride=40,
    scales=(1.0, 1.5),
    flip=True,
    normalization=Normalization((1, 2, 3), (4, 5, 6)),
)


class Stop(Exception):
    """The work itself is not what these tests look at."""


@pytest.fixture
def trained(monkeypatch):
    """The configuration with which ``train`` begins its work."""

    def run(*words: object) -> RunConfig:
        seen = []
        monkeypatch.setattr(api, "train", lambda config, **_: seen.append(config))
        assert main(["train", *map(str, words)]) == 0
        return seen[0]

    return run


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A model that has ``ODD``, and a data set."""
    folder = tmp_path_factory.mktemp("odd")
    varied_model(protocol=ODD, classes=2).save_pretrained(folder / "model")
    return folder / "model", save_pairs(folder / "data", {name: halves(0, 1) for name in "abcd"})


@pytest.fixture
def measured(monkeypatch, folders):
    """The protocol by which ``eval`` measures a model that has ``ODD``."""
    folder, data = folders

    def run(*words: object, by=None) -> InferenceConfig:
        seen = []

        def stop(*_, **settings):
            seen.append(settings["protocol"])
            raise Stop

        monkeypatch.setattr("vit_adapter.evaluation.measure", stop)
        with suppress(Stop):
            if by is not None:
                api.evaluate(folder, DataConfig(root=str(data)), protocol=by)
            else:
                main(["eval", str(folder), "--data.root", str(data), *map(str, words)])
        return seen[0]

    return run


def leaves(section, prefix=""):
    """(dotted name, value) of everything that a dataclass holds."""
    for field in fields(section):
        value = getattr(section, field.name)
        if is_dataclass(value):
            yield from leaves(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", value


def nested(name: str, value):
    """{"a": {"b": value}} of "a.b"."""
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_s101_each_setting_by_flag_and_by_yaml(tmp_path, trained, recipe, section):
    """Naming any setting of any section with its present value changes no other, from a flag, from YAML and from
    Python, with a recipe and without."""
    base = get_recipe(recipe).config()
    holder = base
    for part in section.split("."):
        holder = getattr(holder, part)
    for number, field in enumerate(fields(holder)):
        name, value = f"{section}.{field.name}", to_plain(getattr(holder, field.name))
        changes = nested(name.partition(".")[2], value)
        assert with_changes(getattr(base, section.split(".")[0]), changes, "x") == getattr(
            base, section.split(".")[0]
        )
        if number % 2 or value in (None, "") or isinstance(value, dict):
            path = tmp_path / "settings.yaml"
            path.write_text(yaml.safe_dump(nested(name, value)))
            assert trained(recipe, "--config", path) == base, name
        else:  # every other one by a flag: each parse takes its time
            assert trained(recipe, f"--{name}={json.dumps(value).strip(chr(34))}") == base, name


@pytest.mark.parametrize(("name", "value"), list(leaves(ODD)))
def test_s101_the_protocol_of_a_model(tmp_path, measured, name, value):
    """The same for the protocol of a trained model in `eval`."""
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump({"protocol": nested(name, to_plain(value))}))
    assert measured("--config", path) == ODD
    assert measured(by=nested(name, value)) == ODD
    if value is not None:
        assert measured(f"--protocol.{name}={json.dumps(to_plain(value)).strip(chr(34))}") == ODD


@pytest.mark.parametrize(("name", "value"), list(leaves(ODD)))
@pytest.mark.parametrize("recipe", RECIPES)
def test_s101_the_protocol_of_a_run(trained, recipe, name, value):
    """The same for the protocol that a run stores."""
    model = SimpleNamespace(protocol=InferenceConfig(normalization=OWN))
    published = None if recipe == "own_data" else get_recipe(recipe).test_protocol
    crop = "--data.augmentation.crop=96"
    before = trained_protocol(trained(recipe, crop), model)
    if published is None:
        assert before == InferenceConfig(crop=96, stride=64, normalization=OWN)
    else:
        assert before == published
    present = dict(leaves(before))[name]
    if present is not None:
        word = f"--protocol.{name}={json.dumps(to_plain(present)).strip(chr(34))}"
        assert trained_protocol(trained(recipe, crop, word), model) == before
    changed = trained_protocol(trained(recipe, crop, "--protocol.flip=true"), model)
    assert changed == replace(before, flip=True)


def test_s101_values_that_are_new(measured, trained):
    """`--protocol.crop 64` alone brings the stride of two thirds; `--tta` keeps what is named beside it."""
    assert measured("--protocol.flip", "false") == replace(ODD, flip=False)
    assert measured("--protocol.crop", 48) == replace(ODD, crop=48, stride=32)
    assert measured("--protocol.crop", 48, "--protocol.stride", 48) == replace(ODD, crop=48, stride=48)
    assert measured("--protocol.normalization.std", "[7,8,9]").normalization == Normalization(
        (1, 2, 3), (7, 8, 9)
    )
    both = measured("--evaluation.tta", "true", "--protocol.flip", "false", "--protocol.stride", 20)
    assert both == replace(ODD, scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75), flip=False, stride=20)
    assert measured(by=InferenceConfig(crop=32, stride=32)) == InferenceConfig(crop=32, stride=32)
    recipe = get_recipe(RECIPES[1])
    model = SimpleNamespace(protocol=recipe.protocol)
    views = applied_protocol(model, {"crop": 640}, tta=True, recipe=recipe)
    assert views == replace(recipe.multi_scale, crop=640, stride=426)
    assert trained("own_data", "--protocol.flip=true").protocol == {"flip": True}


def test_s101_mean_without_deviation(measured, folders, trained, capfd):
    """A mean without a deviation keeps the ViT's, the model's or the recipe's deviation, and the reverse; another
    number of channels, or two means that contradict each other, are refused."""
    model = SimpleNamespace(protocol=InferenceConfig(normalization=OWN))
    for recipe in RECIPES[:2]:
        start = [recipe, "--data.augmentation.crop=96"]
        before = trained_protocol(trained(*start), model).normalization
        for part, other in (("mean", "std"), ("std", "mean")):
            for word in (f"--data.{part}=[9,8,7]", f"--protocol.normalization.{part}=[9,8,7]"):
                config = trained(*start, word)
                after = trained_protocol(config, model).normalization
                assert getattr(after, part) == (9, 8, 7)
                assert getattr(after, other) == getattr(before, other)
    assert measured("--data.mean", "[9,8,7]").normalization == Normalization((9, 8, 7), (4, 5, 6))
    assert measured("--data.std", "[9,8,7]").normalization == Normalization((1, 2, 3), (9, 8, 7))
    start = ["eval", folders[0], "--data.root", folders[1]]
    line = refusal(capfd, *start, "--data.mean", "[1,2,3,4]")
    assert "data.mean has 4 values and the std has 3" in line
    words = ["--data.mean=[1,2,3]", "--protocol.normalization.mean=[1,2,4]"]
    line = refusal(capfd, *start, *words)
    assert "data.mean is [1.0, 2.0, 3.0] and protocol.normalization.mean is [1.0, 2.0, 4.0]" in line


def test_s101_a_stored_run_begins_again_with_what_was_named(tmp_path, trained):
    """What a run writes into `config.yaml` is what was named, and is read back as the same."""
    from vit_adapter.config.plain import from_plain, to_yaml

    for recipe in RECIPES:
        config = trained(recipe, "--protocol.flip", "true")
        path = tmp_path / "config.yaml"
        path.write_text(to_yaml(config))
        assert trained(recipe, "--config", path) == config
        assert from_plain(RunConfig, yaml.safe_load(path.read_text()), "config.yaml") == config


def test_s101_names_that_are_unknown():
    """A setting that does not exist is refused with the nearest name."""
    with pytest.raises(InputError, match=r"protocol\.flp: there is no such setting; did you mean flip\?"):
        changed_protocol(ODD, {"flp": True})
    with pytest.raises(InputError, match=r"protocol\.normalization\.men: .*did you mean mean\?"):
        changed_protocol(ODD, {"normalization": {"men": [1]}})


def test_s101_a_dry_run_shows_the_protocol_that_will_hold(tmp_path):
    """A model built for a run takes what is named over the ViT's own normalisation."""
    config = RunConfig(model=TINY_MODEL, protocol={"flip": True})
    model = Segmenter.from_config(TINY_MODEL, ClassTable.numbered(2))
    assert model.protocol.normalization == OWN
    after = trained_protocol(replace(config, data=DataConfig(mean=[1, 2, 3])), model)
    assert after == InferenceConfig(flip=True, normalization=Normalization((1, 2, 3), (127.5,) * 3))
