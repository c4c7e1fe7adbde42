"""What earlier versions wrote still loads: model folders of version 1, and a run begun with flat settings."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from vit_adapter import InputError, Segmenter
from vit_adapter.cli.main import main
from vit_adapter.config import Mask2FormerConfig, ModelConfig, UPerNetConfig, from_plain, to_plain
from vit_adapter.config.model_versions import upgrade_model

OLD = Path(__file__).parent / "version1"
"""Written by the last commit before settings stood by ViT, backbone and head."""


@pytest.mark.parametrize("head", ["upernet", "mask2former"])
def test_a_model_folder_gives_the_scores_that_were_recorded(head):
    model = Segmenter.from_pretrained(OLD / head)
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        scores = model(images)
    recorded = json.loads((OLD / "scores.json").read_text())[head]
    torch.testing.assert_close(scores[0, :, 0, 0], torch.tensor(recorded["corner"]), rtol=2e-5, atol=2e-6)
    assert float(scores.double().abs().sum()) == pytest.approx(recorded["abs"], rel=1e-5)


def test_it_is_written_again_in_todays_form(tmp_path):
    model = Segmenter.from_pretrained(OLD / "mask2former")
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["version"] == 2
    assert config["model"]["head"]["kind"] == "mask2former"
    assert config["model"]["vit"]["name"] == "vit_tiny_patch16_224"
    state = Segmenter.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_a_newer_version_is_refused(tmp_path):
    shutil.copytree(OLD / "upernet", tmp_path / "model")
    file = tmp_path / "model" / "config.json"
    file.write_text(file.read_text().replace('"version": 1', '"version": 3'))
    with pytest.raises(InputError, match="version 3, this program reads versions 1 to 2"):
        Segmenter.from_pretrained(tmp_path / "model")


@pytest.mark.slow
def test_a_run_goes_on_for_a_step(tmp_path, capsys):
    """Its checkpoint and its config.yaml hold flat settings."""
    shutil.copytree(OLD / "run", tmp_path / "run")
    assert main(["train", "--resume", str(tmp_path / "run"), "--training.steps", "3"]) == 0
    captured = capsys.readouterr()
    assert "continued from" in captured.out
    assert "model.vit" not in captured.out  # no setting of the model changed
    assert "model.add_vit_feature is model.backbone.add_vit_feature now" in captured.err
    assert (tmp_path / "run" / "best" / "config.json").is_file()


def test_flat_settings_take_their_places():
    flat = json.loads((OLD / "mask2former" / "config.json").read_text())["model"]
    model = from_plain(ModelConfig, upgrade_model(flat), "config.json")
    assert isinstance(model.head, Mask2FormerConfig)
    assert (model.head.queries, model.head.channels, model.norm) == (4, 32, "group")
    assert (model.vit.options, model.vit.img_size) == ({"depth": 4, "embed_dim": 12, "num_heads": 2}, 32)
    assert (model.backbone.kind, model.backbone.conv_inplanes) == ("adapter", 8)
    assert upgrade_model(to_plain(model)) == to_plain(model)
    some = upgrade_model({"vit": "deit_tiny_patch16_224", "frozen": "vit", "head_channels": 7})
    assert some == {"vit": {"name": "deit_tiny_patch16_224", "frozen": "vit"}, "head": {"channels": 7}}
    assert from_plain(UPerNetConfig, {"kind": "upernet", **some["head"]}, "x").channels == 7


def test_older_flags_work_and_say_their_new_names(tmp_path, capsys):
    words = ["--data.layout", "scenes", "--dry-run", "--model.pretrained", "false", "--model.head", "fcn"]
    assert main(["train", *words, "--model.head_channels=24", "--model.frozen", "vit"]) == 0
    captured = capsys.readouterr()
    notes = captured.err.strip().splitlines()
    assert (
        "note: --model.head_channels is --model.head.channels now; the old name works in this version"
        in notes
    )
    assert len(notes) == 3
    assert main(["train", *words, "--model.head", "unet"]) == 2
    assert (
        "model.head.kind='unet', expected one of 'upernet', 'fcn', 'mask2former'" in capsys.readouterr().err
    )
