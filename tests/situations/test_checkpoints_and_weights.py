"""Checkpoints and weights: everything that fits is loaded and told, anything else is an error."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from torch import Tensor

from tiny import SMALL_MASK2FORMER, TINY, tiny_model
from vit_adapter import InputError, Segmenter, ViTAdapter
from vit_adapter.api import train
from vit_adapter.api.fine_tuning import start_from
from vit_adapter.config import AugmentationConfig, ClassTable, DataConfig, Normalization
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.weights.official import to_official
from vit_adapter.weights.resample import resample_grid

from .making import TRAINING, halves, refusal, save_pairs
from .training_parts import SIDE, TINY_MODEL, bars, save_part, tiny_run

PREFIXES = ["module.", "model.", "backbone.", "_orig_mod.", "module.model."]
VIT = "vit_tiny_patch16_224"


def vit_weights(name: str = VIT, seed: int = 1, **options) -> dict[str, Tensor]:
    """A tiny ViT's weights under timm's names, none of them a constant."""
    torch.manual_seed(seed)
    model = timm.create_model(name, num_classes=0, **{**TINY, **options})
    return {key: torch.randn_like(value) * 0.02 for key, value in model.state_dict().items()}


def adapter(path, name: str = VIT, **settings) -> ViTAdapter:
    torch.manual_seed(0)
    return ViTAdapter(name, pretrained=str(path), options=TINY, **settings).eval()


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in state.items()}


def maps_of(model) -> list[Tensor]:
    images = torch.randn(1, 3, 32, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return model(images)


def segmenter(names: tuple[str, ...], head: str = "upernet", seed: int = 0) -> Segmenter:
    torch.manual_seed(seed)
    model = tiny_model(head=head, mask2former=SMALL_MASK2FORMER, auxiliary=False)
    return Segmenter.from_config(model, ClassTable(names, tuple(range(len(names))))).eval()


@pytest.mark.parametrize("prefix", PREFIXES)
def test_s58_nothing_loaded_nothing_said(tmp_path, prefix):
    """Known prefixes are taken off, whether the file holds a ViT, our model or an official one."""
    state = vit_weights()
    torch.save(state, tmp_path / "plain.pth")
    torch.save(prefixed(state, prefix), tmp_path / "prefixed.pth")
    plain, other = adapter(tmp_path / "plain.pth"), adapter(tmp_path / "prefixed.pth")
    assert torch.equal(other.vit.blocks[3].mlp.fc1.weight, state["blocks.3.mlp.fc1.weight"])
    assert all(torch.equal(a, b) for a, b in zip(maps_of(plain), maps_of(other), strict=True))

    original = segmenter(("road", "sky", "car"))
    official = {
        "meta": {"CLASSES": original.class_names},
        "state_dict": prefixed(to_official(original.state_dict()), prefix),
    }
    torch.save(official, tmp_path / "official.pth")
    torch.save(prefixed(original.state_dict(), prefix), tmp_path / "ours.pth")
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        wanted, pyramid = original(image), original.backbone(image)
        copy = segmenter(("road", "sky", "car"), seed=5)
        start_from(copy, str(tmp_path / "official.pth"))
        assert torch.equal(copy(image), wanted)
        copy = segmenter(("road", "sky", "car"), seed=5)
        told = start_from(copy, str(tmp_path / "ours.pth"))
        assert all(torch.equal(a, b) for a, b in zip(copy.backbone(image), pyramid, strict=True))
        assert "classes taken over by name: none" in told  # the file names no classes


def test_s58_names_that_fit_nowhere(tmp_path, capfd):
    """A file of which nothing fits is an error with one name of each side, never a start from random weights."""
    folder = save_pairs(tmp_path / "data", {name: halves(0, 1) for name in "abcd"})
    torch.save(prefixed(vit_weights(), "xyz."), tmp_path / "vit.pth")
    torch.save(prefixed(segmenter(("a", "b")).state_dict(), "xyz."), tmp_path / "model.pth")
    start = ["train", "--data.root", folder, *TRAINING, "--out", tmp_path / "run"]
    line = refusal(capfd, *start, "--model.vit.pretrained", tmp_path / "vit.pth")
    for part in ("vit.pth", "0 of ", " tensors matched", "'xyz.cls_token'", "the model e.g. "):
        assert part in line
    line = refusal(capfd, *start, "--init", tmp_path / "model.pth")
    for part in ("model.pth", "0 of ", " tensors matched", "'xyz.backbone.", "the model e.g. 'backbone."):
        assert part in line
    assert not (tmp_path / "run").exists()


def test_s59_self_supervised_checkpoints_as_they_are_on_disk(tmp_path):
    """The teacher is taken, chunked blocks are joined, heads left out, and the report says so."""
    teacher, student = vit_weights(seed=1), vit_weights(seed=2)

    def stored(state: dict[str, Tensor]) -> dict[str, Tensor]:
        chunks = {}
        for name, value in state.items():
            if name.startswith("blocks."):
                _, block, rest = name.split(".", 2)
                name = f"blocks.{int(block) // 2}.{block}.{rest}"
            chunks[f"backbone.{name}"] = value
        return {**chunks, "dino_head.mlp.0.weight": torch.zeros(3, 24)}

    torch.save({"student": stored(student), "teacher": stored(teacher)}, tmp_path / "ssl.pth")
    torch.save(teacher, tmp_path / "teacher.pth")
    model, by_hand = adapter(tmp_path / "ssl.pth"), adapter(tmp_path / "teacher.pth")
    assert all(torch.equal(a, b) for a, b in zip(maps_of(model), maps_of(by_hand), strict=True))
    assert torch.equal(model.vit.blocks[3].attn.qkv.weight, teacher["blocks.3.attn.qkv.weight"])
    report = model.load_report
    assert report is not None
    assert any("'teacher'" in note and "'student' left out" in note for note in report.notes)
    assert "dino_head.mlp.0.weight" in report.left_out
    torch.save({"model": student, "model_ema": teacher}, tmp_path / "two.pth")
    with pytest.raises(
        InputError, match=r"two\.pth: holds 2 sets of weights, 'model', 'model_ema'; say which one"
    ):
        adapter(tmp_path / "two.pth")


class _Own:
    """A type of the user's."""


class _Trap:
    """Makes a folder when it is unpickled without care."""

    def __init__(self, folder) -> None:
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize(
    "value",
    [np.float64(0.5), argparse.Namespace(lr=1e-3), pathlib.Path("runs/3"), _Own()],
    ids=["numpy scalar", "namespace", "path", "own class"],
)
def test_s60_a_scalar_in_the_meta_data(tmp_path, value):
    """Tensors are read by a restricted reader, whatever lies beside them; foreign types are named in the report."""
    state = vit_weights()
    torch.save({"state_dict": state, "meta": {"mIoU": value}}, tmp_path / "a.pth")
    model = adapter(tmp_path / "a.pth")
    assert torch.equal(model.vit.blocks[2].norm1.weight, state["blocks.2.norm1.weight"])
    assert model.load_report is not None
    assert any("_Own" in note for note in model.load_report.notes) == isinstance(value, _Own)


def test_s60_code_in_a_file_never_runs(tmp_path):
    """A file that would run code when it is opened runs none; it is read without that part, or refused."""
    torch.save({"state_dict": vit_weights(), "meta": _Trap(tmp_path / "trap")}, tmp_path / "a.pth")
    message = ""
    try:
        adapter(tmp_path / "a.pth")
    except InputError as error:
        message = str(error)
    assert "\n" not in message
    assert not message or "a.pth" in message
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize("head", ["upernet", "mask2former"])
@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (("sky", "car", "road"), "sky, car, road"),
        (("road", "sky", "car", "tree"), "road, sky, car"),
        (("wall", "door", "floor"), "none"),
    ],
    ids=["another order", "one more", "other names"],
)
def test_s61_head_rows_copied_by_number(tmp_path, head, names, kept):
    """Rows of the classifier go to the class of the same name, never to the same number; the others start anew."""
    old = segmenter(("road", "sky", "car"), head)
    old.save_pretrained(tmp_path / "old")
    new = segmenter(names, head, seed=9)
    layer = "head.classifier" if head == "upernet" else "head.transformer_decoder.classifier"
    before = new.get_submodule(layer).weight.detach().clone()
    told = start_from(new, str(tmp_path / "old"))
    assert f"classes taken over by name: {kept}" in told
    rows, old_rows = (model.get_submodule(layer).weight.detach() for model in (new, old))
    for number, name in enumerate(names):
        source = old_rows[old.class_names.index(name)] if name in old.class_names else before[number]
        assert torch.equal(rows[number], source), name
    if set(names) == set(old.class_names):
        with torch.no_grad():
            image = torch.randn(1, 3, 64, 64)
            labels = [model(image)[0].argmax(0).flatten().tolist() for model in (old, new)]
        assert [old.class_names[i] for i in labels[0]] == [names[i] for i in labels[1]]


def test_s62_another_model_than_the_one_asked_for(tmp_path, capfd):
    """Weights of another ViT, unknown names and files that are no weights are errors that say what was found."""
    folder = save_pairs(tmp_path / "data", {name: halves(0, 1) for name in "abcd"})
    start = ["train", "--data.root", folder, *TRAINING, "--out", tmp_path / "run"]

    def told(vit: str, file, *options: str) -> str:
        return refusal(capfd, *start, "--model.vit", vit, *options, "--model.vit.pretrained", file)

    torch.save(vit_weights("vit_small_patch14_dinov2", img_size=56), tmp_path / "dinov2.pth")
    line = told("vit_small_patch16_dinov3", tmp_path / "dinov2.pth", "--model.vit.img_size", "null")
    assert "dinov2.pth" in line
    assert "patches of 14" in line
    assert "16" in line
    torch.save(vit_weights(embed_dim=48), tmp_path / "wide.pth")
    line = told(VIT, tmp_path / "wide.pth")
    for part in ("wide.pth", "of another shape, first ", "width 48", "width 24"):
        assert part in line
    (tmp_path / "page.safetensors").write_text("<!DOCTYPE html><html>Not found</html>")
    assert "page.safetensors: is a web page" in told(VIT, tmp_path / "page.safetensors")
    (tmp_path / "pointer.pth").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"
    )
    assert "pointer.pth: is a Git LFS pointer" in told(VIT, tmp_path / "pointer.pth")
    line = told("vit_smal_patch14_dinov2", tmp_path / "dinov2.pth")
    assert "'vit_smal_patch14_dinov2'" in line
    assert "vit_small_patch14_dinov2" in line.replace("vit_smal_patch14_dinov2", "")
    assert not (tmp_path / "run").exists()
    # Asked for by its name, the ViT's patches are resampled from 14 to 16 pixels.
    model = adapter(tmp_path / "dinov2.pth", "vit_small_patch14_dinov2", img_size=64)
    assert model.load_report is not None
    assert model.load_report.resampled == {"patch_embed.proj.weight": "24 x 3 x 14 x 14 to 24 x 3 x 16 x 16"}


@pytest.mark.parametrize("prefix", [0, 1, 2, 5])
def test_s63_number_of_tokens_before_the_grid(tmp_path, prefix):
    """The grid is the last square number of rows of a position table; tokens before it are told apart from it."""
    numbers = torch.arange(-prefix, 196, dtype=torch.float32)
    table = numbers[None, :, None].expand(1, -1, TINY["embed_dim"])
    torch.save({**vit_weights(), "pos_embed": table}, tmp_path / "vit.pth")
    vit = adapter(tmp_path / "vit.pth").vit
    grid = vit.pos_embed[:, -196:]
    assert grid[0, :, 0].tolist() == list(range(196))
    used = resample_grid(grid, (14, 14), (8, 12))
    square = torch.arange(196.0).reshape(1, 1, 14, 14)
    wanted = torch.nn.functional.interpolate(square, size=(8, 12), mode="bicubic", align_corners=False)
    torch.testing.assert_close(used[0, :, 0], wanted.flatten())


def test_s63_rows_that_are_no_grid(tmp_path):
    """A table that is not a square after any known number of tokens is refused with both numbers."""
    table = torch.zeros(1, 200, TINY["embed_dim"])
    torch.save({**vit_weights(), "pos_embed": table}, tmp_path / "vit.pth")
    with pytest.raises(InputError, match=r"vit\.pth: position table has 200 rows.*14 x 14 = 196"):
        adapter(tmp_path / "vit.pth")


FAMILIES = {
    "vit_small_patch16_224": (127.5, 127.5),  # AugReg
    "deit_small_patch16_224": (123.675, 58.395),  # ImageNet
    "vit_base_patch16_clip_224": (122.7709, 68.5005),  # CLIP
}
GREY = """
import sys, numpy as np
from vit_adapter import Segmenter
for folder in sys.argv[1:]:
    model, seen = Segmenter.from_pretrained(folder), []
    model.backbone.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model.predict(np.full((64, 64, 3), 128, np.uint8))
    print(float(seen[0][0, 0, 0, 0]), float(seen[0][0, 2, 63, 63]))
"""


@pytest.mark.slow
def test_s64_normalisation_travels_with_the_model(tmp_path, capsys):
    """Each ViT's own mean and deviation are used in training and prediction, and stored in `config.json`."""
    grey = [np.full((SIDE, SIDE, 3), 128, np.uint8)] * 2
    data = save_part(tmp_path / "data", grey, [bars(0, 1)] * 2, "train")
    save_part(data, grey, [bars(0, 1)] * 2, "val")
    for name, (mean, std) in FAMILIES.items():
        config = tiny_run(tmp_path / name, {"vit": name, "auxiliary": False}, steps=1)
        augmentation = AugmentationConfig(crop=SIDE, photometric=False)
        config = replace(config, data=DataConfig(root=str(data), workers=0, augmentation=augmentation))
        train(config)
        stored = json.loads((tmp_path / name / "best" / "config.json").read_text())["protocol"][
            "normalization"
        ]
        assert stored["mean"][0] == pytest.approx(mean, abs=1e-3)
        assert stored["std"][0] == pytest.approx(std, abs=1e-3)
    capsys.readouterr()
    folders = [str(tmp_path / name / "best") for name in FAMILIES]
    done = subprocess.run([sys.executable, "-c", GREY, *folders], capture_output=True, text=True, check=True)
    from vit_adapter.data.dataset import open_dataset

    for folder, (mean, std), line in zip(folders, FAMILIES.values(), done.stdout.splitlines(), strict=True):
        first, last = map(float, line.split())
        normalization = Segmenter.from_pretrained(folder).protocol.normalization
        assert first == pytest.approx((128 - mean) / std, abs=1e-4)
        assert last == pytest.approx((128 - normalization.mean[2]) / normalization.std[2], abs=1e-4)
        source = TrainingSet(
            open_dataset(DataConfig(root=str(data)), "train"),
            AugmentationConfig(crop=SIDE, photometric=False, scale_range=(1.0, 1.0)),
            normalization,
            seed=0,
        )
        assert float(source[(0, 0)]["image"][0, 0, 0]) == pytest.approx(first, abs=1e-5)


def test_s64_a_model_without_normalisation(tmp_path):
    """A `config.json` that names no normalisation is an error, never a default."""
    Segmenter.from_config(TINY_MODEL, ClassTable.numbered(2)).save_pretrained(tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text())
    assert Normalization(**{k: tuple(v) for k, v in stored["protocol"].pop("normalization").items()})
    (tmp_path / "config.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match=r"config\.json: .*normalization"):
        Segmenter.from_pretrained(tmp_path)
