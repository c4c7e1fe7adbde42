"""One's own data have another pyramid than published models: runs begun before, and starts from models without it."""

from pathlib import Path

import pytest
import yaml

from situations.making import TINY_FLAGS, command, halves, save_pairs, varied_model
from tiny import TINY, TINY_VIT
from vit_adapter import InputError, Segmenter, ViTAdapter, get_recipe
from vit_adapter.cli.main import main
from vit_adapter.cli.model_settings import current_words
from vit_adapter.weights.official import to_official

NONE = ["--model.backbone.pyramid_gate", "none"]
WHOLE = {"kind": "adapter", "injector_init": 0.0, "injectors": True}


def settings(folder: Path, backbone: dict) -> str:
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump({"model": {"backbone": backbone}}))
    return str(file)


@pytest.mark.parametrize(
    ("backbone", "added"),
    [
        (WHOLE, NONE),
        ({**WHOLE, "pyramid_gate": 1.0}, []),
        ({"kind": "pyramid"}, []),
        ({"injectors": False}, []),  # written by hand
    ],
)
def test_settings_of_a_run_mean_what_they_meant(tmp_path, backbone, added):
    file = settings(tmp_path, backbone)
    assert current_words(["--config", file, "--quiet"]) == (["--config", file, *added, "--quiet"], [])
    assert current_words([f"--config={file}"]) == ([f"--config={file}", *added], [])


def test_own_data_alone():
    assert get_recipe("own_data").config().model.backbone.pyramid_gate == 1.0
    published = get_recipe("upernet_deit_adapter_tiny_512_160k_ade20k").config()
    assert published.model.backbone.pyramid_gate is None


def test_a_start_from_a_model_without_it_says_so(tmp_path, capfd):
    data = save_pairs(tmp_path / "data", {"a": halves(0, 1), "b": halves(1, 0)})
    varied_model().save_pretrained(tmp_path / "other")
    words = ["train", "--data.root", data, *TINY_FLAGS, "--data.augmentation.crop", "32", "--dry-run"]
    words += ["--init", tmp_path / "other"]
    hint = "fits better with --model.backbone.pyramid_gate none"
    code, out, _ = command(capfd, *words)
    assert (code, hint in " ".join(out.split())) == (0, True)
    code, out, _ = command(capfd, *words, *NONE)
    assert (code, hint in " ".join(out.split())) == (0, False)


def test_it_has_no_official_form(tmp_path, capsys):
    model = Segmenter(ViTAdapter(TINY_VIT, options=TINY, img_size=64, pyramid_gate=1.0), "fcn", num_classes=2)
    with pytest.raises(InputError, match="published models have no pyramid_gate"):
        to_official(model.state_dict())
    model.save_pretrained(tmp_path / "model")
    assert main(["convert", str(tmp_path / "model"), "-o", str(tmp_path / "x.pth"), "--to-official"]) == 2
    assert "train with --model.backbone.pyramid_gate none" in capsys.readouterr().err
