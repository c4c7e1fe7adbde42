"""The program's own checkpoints and the averaged weights in them, and what a model tells about its weights."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image

from vit_adapter import InputError, Segmenter, ViTAdapter, api
from vit_adapter.config import ClassTable, DataConfig, UPerNetConfig
from vit_adapter.data.dataset import open_dataset
from vit_adapter.weights.files import read_state_dict

from .making import TINY, TRAINING, command, halves, refusal, save_pairs, varied_model

HEADING = "Own checkpoints, averaged weights, model cards"
TITLES = {
    210: "The averaged weights of a run cannot be reached",
    211: "Sets of weights two containers deep",
    212: "A model that does not say where its weights come from",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two steps with an exponential average, and its data."""
    from vit_adapter.cli.main import main

    place = tmp_path_factory.mktemp("averaged")
    root = save_pairs(place / "data", {name: halves(3, 7, 64, 64) for name in "abcde"})
    (root / "classes.csv").write_text("id,name\n3,road\n7,sky\n")
    words = ["train", "--data.root", root, *TRAINING, "--training.steps", "2", "--training.ema_decay", "0.5"]
    words += ["--training.learning_rate", "0.01", "--out", place / "run"]
    words += ["--model.backbone.pyramid_gate", "none"]  # it is converted to the official form
    assert main([str(word) for word in words]) == 0
    return place / "run"


def _weights(model: Segmenter) -> torch.Tensor:
    return model.state_dict()["head.classifier.weight"]


@pytest.mark.slow
def test_s210_loading(run):
    """A run's `last.ckpt` loads as a model: averaged weights where it has some, as `best/` has; `#model` the others."""
    best, averaged = api.load(run), api.load(run / "last.ckpt")
    last = api.load(f"{run / 'last.ckpt'}#model")
    assert averaged.classes == ClassTable(("road", "sky"), (3, 7))
    assert averaged.protocol == best.protocol
    stored = torch.load(run / "last.ckpt", weights_only=True)
    assert torch.equal(_weights(averaged), stored["average"]["weights"]["segmenter.head.classifier.weight"])
    assert torch.equal(_weights(last), stored["model"]["head.classifier.weight"])
    assert not torch.equal(_weights(averaged), _weights(last))
    for name in ("#average", "#average/weights"):
        assert torch.equal(_weights(api.load(f"{run / 'last.ckpt'}{name}")), _weights(averaged))
    assert torch.equal(_weights(Segmenter.from_pretrained(run / "last.ckpt")), _weights(averaged))
    assert averaged.training_facts["ema_decay"] == 0.5
    assert last.training_facts["ema_decay"] is None
    with pytest.raises(
        InputError, match=r"last\.ckpt: a run's checkpoint that holds '#average'.*'#optimizer' names none"
    ):
        api.load(f"{run / 'last.ckpt'}#optimizer")


@pytest.mark.slow
def test_s210_commands_take_it(run, tmp_path, capfd):
    """`predict`, `eval`, `convert` (both ways) and `--init` take `last.ckpt`; classes go by name."""
    checkpoint, data = run / "last.ckpt", run.parent / "data"
    code, _, err = command(capfd, "predict", checkpoint, data / "images", "--out", tmp_path / "p", "--quiet")
    assert code == 0, err
    assert set(np.unique(np.asarray(Image.open(tmp_path / "p" / "a_labels.png")))) <= {3, 7}
    code, out, err = command(capfd, "eval", checkpoint, "--data.root", data, "--quiet")
    assert code == 0, err
    assert "road" in out
    code, out, err = command(capfd, "convert", checkpoint, "-o", tmp_path / "model")
    assert code == 0, err
    assert "averaged weights of step 2" in out
    assert torch.equal(_weights(api.load(tmp_path / "model")), _weights(api.load(checkpoint)))
    code, _, err = command(capfd, "convert", checkpoint, "-o", tmp_path / "official.pth", "--to-official")
    assert code == 0, err
    assert torch.load(tmp_path / "official.pth", weights_only=True)["meta"]["CLASSES"] == ["road", "sky"]


@pytest.mark.slow
def test_s210_starting_from_it(run):
    """`--init last.ckpt` takes the averaged weights, and classifier rows by the classes' names."""
    from vit_adapter.api.fine_tuning import start_from

    backbone = ViTAdapter("vit_tiny_patch16_224", img_size=64, options=TINY)
    names = ["sky", "sea", "road"]
    model = Segmenter(backbone, UPerNetConfig(channels=16, auxiliary=False), class_names=names)
    told = start_from(model, str(run / "last.ckpt"))
    averaged = _weights(api.load(run / "last.ckpt"))
    assert "averaged weights of step 2" in told
    assert "classes taken over by name: sky, road; new classes: sea" in told
    assert torch.equal(_weights(model)[0], averaged[1])
    assert torch.equal(_weights(model)[2], averaged[0])


@pytest.mark.slow
def test_s210_older_checkpoints(run, tmp_path):
    """A checkpoint without a description takes that of `best/` beside it; else one line says what is left."""
    old = torch.load(run / "last.ckpt", weights_only=True)
    del old["segmenter"]
    (tmp_path / "run").mkdir()
    torch.save(old, tmp_path / "run" / "last.ckpt")
    with pytest.raises(
        InputError, match=r"there is no best/config\.json beside it; start a run from it with --init"
    ):
        api.load(tmp_path / "run" / "last.ckpt")
    with pytest.raises(InputError, match=r"holds no model.*last\.ckpt can be given itself"):
        api.load(tmp_path / "run")
    api.load(run).save_pretrained(tmp_path / "run" / "best")
    assert api.load(tmp_path / "run" / "last.ckpt").class_names == ("road", "sky")


def test_s210_a_file_is_no_recipe(tmp_path, capfd):
    """A file of bare weights, or a path that is not there, is not called an unknown recipe only."""
    torch.save(varied_model().state_dict(), tmp_path / "weights.pth")
    line = refusal(capfd, "predict", tmp_path / "weights.pth", tmp_path)
    assert "a weights file that does not say which model it belongs to; name the recipe" in line
    line = refusal(capfd, "predict", tmp_path / "missing" / "last.ckpt", tmp_path)
    assert "no such recipe, folder or file" in line


def test_s211_paths_into_a_file(tmp_path):
    """Weights that lie deeper are named by their whole way, and the advice in the message works as printed."""
    a, b, c = ({"blocks.0.attn.qkv.weight": torch.full((2, 2), value)} for value in (1.0, 2.0, 3.0))
    file = tmp_path / "deep.pth"
    torch.save({"ema": {"net": a, "other": b}, "raw": c}, file)
    with pytest.raises(InputError, match="'#ema'"):
        read_state_dict(file)
    with pytest.raises(InputError, match="'#ema/net'") as caught:
        read_state_dict(f"{file}#ema")
    advice = str(caught.value).split("'#")[1].split("'")[0]
    assert read_state_dict(f"{file}#{advice}")[0]["blocks.0.attn.qkv.weight"][0, 0] == 1
    assert read_state_dict(f"{file}#ema/other")[0]["blocks.0.attn.qkv.weight"][0, 0] == 2
    assert read_state_dict(f"{file}#raw")[0]["blocks.0.attn.qkv.weight"][0, 0] == 3
    with pytest.raises(InputError, match=r"'#ema/net' .or another"):
        read_state_dict(f"{file}#ema/nets")


@pytest.mark.slow
def test_s212_averaged_weights_are_told(run, capfd):
    """That weights are averaged stands in the start block, in `config.json` and on the card."""
    facts = json.loads((run / "best" / "config.json").read_text())["training"]
    assert facts["ema_decay"] == 0.5
    assert facts["pretrained"] is False
    card = (run / "best" / "README.md").read_text()
    assert f"training step {facts['step']}, an exponential average over the steps (decay 0.5)." in card
    words = ["--data.root", run.parent / "data", *TRAINING, "--training.ema_decay", "0.5", "--dry-run"]
    code, out, _ = command(capfd, "train", *words)
    assert code == 0
    assert "exponential average of the weights, decay 0.5" in out


@pytest.mark.slow
def test_s212_scores_on_the_card(run):
    """The card tells the validation's score and on how many images it was measured."""
    facts = json.loads((run / "best" / "config.json").read_text())["training"]
    score = json.loads((run / "best" / "score.json").read_text())
    assert facts["mIoU"] == score["mIoU"]
    count = len(open_dataset(DataConfig(root=str(run.parent / "data")), "val"))
    assert facts["images"] == count
    card = (run / "best" / "README.md").read_text()
    assert f"mIoU on {count} validation image{'s' * (count > 1)}: {100 * score['mIoU']:.2f} %." in card
    assert api.load(run).training_facts == facts


@pytest.mark.parametrize(("pretrained", "licence"), [(True, "apache-2.0"), (False, None), (None, None)])
def test_s212_licences_follow_the_weights(tmp_path, pretrained, licence):
    """A card names a licence where published weights were loaded, says so where none were, and claims nothing else."""
    model = varied_model()
    assert model.training_facts == {"pretrained": False}
    model.training_facts = {"pretrained": pretrained}
    model.save_pretrained(tmp_path / "model")
    card = ModelCard((tmp_path / "model" / "README.md").read_text())
    assert card.data.license == licence
    words = {
        True: "are published under apache-2.0",
        False: "No published weights",
        None: "Where it was made from",
    }
    assert words[pretrained] in card.text
    again = Segmenter.from_pretrained(tmp_path / "model")
    assert again.training_facts == {"pretrained": pretrained}
    assert replace(again.classes) == model.classes
