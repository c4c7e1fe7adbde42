"""Files that recipes start from and are applied with: found by address, put to use, and missed in plain words."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from vit_adapter import InputError, Segmenter, ViTAdapter, api
from vit_adapter.api.starting_files import with_published_files
from vit_adapter.api.training import prepare_model
from vit_adapter.cli.main import main
from vit_adapter.weights.official import to_official
from vit_adapter.zoo import PRETRAINED
from vit_adapter.zoo.recipes import RECIPES

from .local_server import Server
from .narrow import narrow

BEITV2 = "mask2former_beitv2_adapter_large_896_80k_ade20k"
CITYSCAPES = "mask2former_beit_adapter_large_896_80k_cityscapes"
UNIPERCEIVER = "upernet_uniperceiver_adapter_large_512_160k_ade20k"


def official_file(model: Segmenter, zipped: bool = False) -> bytes:
    """A checkpoint as the authors publish it."""
    content = {
        "meta": {"CLASSES": list(model.class_names), "epoch": 3},
        "state_dict": to_official(model.state_dict()),
        "optimizer": {"state": {0: torch.zeros(3)}},
    }
    file = io.BytesIO()
    torch.save(content, file)
    if not zipped:
        return file.getvalue()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content_of:
        content_of.writestr("released/model.pth", file.getvalue())
    return archive.getvalue()


def model_of(recipe, seed: int) -> Segmenter:
    torch.manual_seed(seed)
    model = Segmenter.from_config(recipe.model.with_pretrained(False), recipe.classes(), recipe.protocol)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.2 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture
def publish(monkeypatch, server, tmp_path):
    """Makes a recipe narrow, and its checkpoint one of the local server."""
    monkeypatch.setenv("VIT_ADAPTER_CACHE", str(tmp_path / "cache"))

    def publish_recipe(name: str, file: str | None = None, url: str | None = None):
        recipe = replace(narrow(name), checkpoint_url=url or server.url(file or "model.pth"))
        monkeypatch.setitem(RECIPES, name, recipe)
        return recipe

    return publish_recipe


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 90, 3), np.uint8)).save(path, quality=95)
    return path


def predict(name: str, photo, out, *words: str) -> int:
    return main(["predict", name, str(photo), "--out", str(out), "--device", "cpu", "--quiet", *words])


@pytest.mark.parametrize("ending", ["_ss", "_ms"])
@pytest.mark.slow
def test_a_photo_is_segmented_with_the_published_archive(publish, server, photo, tmp_path, ending):
    recipe = publish(BEITV2, "model.zip")
    model = model_of(recipe, 1)
    server.content = official_file(model, zipped=True)
    assert predict(BEITV2 + ending, photo, tmp_path / "out", "--scores") == 0
    protocol = recipe.multi_scale if ending == "_ms" else recipe.protocol
    expected = model.predict(photo, protocol=protocol).labels
    # The values of ADE20K's masks begin with 1.
    written = np.asarray(Image.open(tmp_path / "out" / "photo_labels.png"))
    np.testing.assert_array_equal(written, expected + 1)
    scores = np.load(tmp_path / "out" / "photo_scores.npy")
    np.testing.assert_allclose(scores, model.predict(photo, protocol=protocol).scores, atol=1e-6)
    assert np.ptp(scores[expected[0, 0]]) > 1e-5  # the model sees the photo
    assert predict(BEITV2 + ending, photo, tmp_path / "again") == 0
    assert len(server.ranges) == 1  # kept


@pytest.mark.slow
def test_several_scales_are_the_published_ones(publish, server, photo, tmp_path):
    recipe = publish(BEITV2)
    model = model_of(recipe, 1)
    server.content = official_file(model)
    assert predict(BEITV2, photo, tmp_path / "out", "--tta") == 0
    expected = model.predict(photo, protocol=recipe.multi_scale).labels
    written = np.asarray(Image.open(tmp_path / "out" / "photo_labels.png"))
    np.testing.assert_array_equal(written, expected + 1)


def test_without_a_network_it_says_what_to_fetch_and_where_to_put_it(publish, photo, tmp_path, capsys):
    closed = Server()
    url = closed.url("model.zip")
    closed.server_close()
    recipe = publish(BEITV2, url=url)
    place = tmp_path / "cache" / "model.zip"
    assert predict(BEITV2, photo, tmp_path / "out") == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    assert url in said
    assert f"put it at {place}" in said
    place.write_bytes(official_file(model_of(recipe, 1), zipped=True))
    assert predict(BEITV2, photo, tmp_path / "out") == 0


def test_another_models_file_is_refused_with_names(publish, server, photo, tmp_path, capsys):
    publish(BEITV2)
    server.content = official_file(model_of(narrow(UNIPERCEIVER), 0))
    assert predict(BEITV2, photo, tmp_path / "out") == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "model.pth: does not fit the model" in said
    assert "visual_embed" in said


def test_a_recipe_without_a_published_model(photo, tmp_path, capsys):
    assert predict("upernet_beit_large_512_160k_ade20k", photo, tmp_path / "out") == 2
    assert "no checkpoint was published" in capsys.readouterr().err


def uniperceiver_file() -> tuple[dict, bytes]:
    state = model_of(narrow(UNIPERCEIVER), 5).backbone.vit.state_dict()
    file = io.BytesIO()
    torch.save(state, file)
    return state, file.getvalue()


@pytest.mark.parametrize("by_recipe", [True, False], ids=["by the recipe", "by the name of the ViT"])
def test_uniperceiver_is_fetched_and_loaded(publish, server, monkeypatch, tmp_path, by_recipe):
    recipe = publish(UNIPERCEIVER)
    url = server.url("uniperceiver.pth")
    monkeypatch.setitem(PRETRAINED, "uniperceiver_large", replace(recipe.source, url=url))
    state, server.content = uniperceiver_file()
    config = with_published_files(recipe.config(), recipe if by_recipe else None)
    assert config.model.vit.pretrained == str(tmp_path / "cache" / "uniperceiver.pth")
    model, notes = prepare_model(config, recipe.classes())
    own = model.backbone.vit.state_dict()
    loaded = [name for name in own if name in state]
    assert len(loaded) > 40
    assert all(torch.equal(own[name], state[name]) for name in loaded)
    assert "uniperceiver.pth" in notes[0]


def test_nothing_is_fetched_for_a_dry_run(publish, server):
    recipe = publish(BEITV2)
    config = with_published_files(recipe.config(), recipe, fetch=False)
    assert config.training.init is None
    assert server.ranges == []


@pytest.mark.slow
def test_starting_from_a_model_of_equal_classes_takes_all_of_it(publish, server):
    recipe = publish(CITYSCAPES, "unused.pth")
    start = publish(str(recipe.start))
    other = model_of(start, 7)
    server.content = official_file(other)
    config = with_published_files(recipe.config(), recipe)
    assert config.model.vit.pretrained is False
    model, notes = prepare_model(config, recipe.classes(), as_published=True)
    own, given = model.state_dict(), other.state_dict()
    assert all(torch.equal(own[name], given[name]) for name in own)
    assert f"{len(own)} of {len(own)} tensors" in notes[0]


@pytest.mark.slow
def test_starting_from_a_model_of_other_classes_leaves_the_classifier_new(
    publish, server, data_root, tmp_path, capsys
):
    """By the command line: COCO-Stuff's model, then a step on ADE20K."""
    recipe = publish(BEITV2, "unused.pth")
    start = publish(str(recipe.start), "start.pth")
    other = model_of(start, 7)
    server.content = official_file(other)
    words = [
        *("--data.root", str(data_root / "ade20k" / "ADEChallengeData2016"), "--data.workers", "0"),
        *("--training.steps", "1", "--training.warmup_steps", "0", "--training.learning_rate", "1e-12"),
        *("--training.accelerator", "cpu", "--out", str(tmp_path / "run"), "--quiet"),
    ]
    assert main(["train", f"{BEITV2}_ss", *words]) == 0
    text = capsys.readouterr().out
    assert f"started from {tmp_path / 'cache' / 'start.pth'}" in text
    assert "new: head.transformer_decoder.classifier.bias, head.transformer_decoder.classifier.weight" in text
    trained, given = api.load(tmp_path / "run"), other.state_dict()
    for name, value in trained.named_parameters():
        if name.startswith("head.transformer_decoder.classifier"):
            assert value.shape[0] == 151
            assert given[name].shape[0] == 172
        else:
            torch.testing.assert_close(value, given[name], rtol=0, atol=1e-9)


def test_a_mask2former_of_ones_own_takes_rows_by_name(tmp_path):
    recipe = narrow(BEITV2)
    other = model_of(recipe, 3)
    other.save_pretrained(tmp_path / "model")
    classes = recipe.classes()
    swapped = replace(classes, names=(classes.names[1], classes.names[0], *classes.names[2:]))
    config = replace(recipe.config(), training=replace(recipe.training, init=str(tmp_path / "model")))
    config = replace(config, model=config.model.with_pretrained(False))
    model, _ = prepare_model(config, swapped)
    rows = model.state_dict()["head.transformer_decoder.classifier.weight"]
    given = other.state_dict()["head.transformer_decoder.classifier.weight"]
    assert torch.equal(rows[[1, 0]], given[:2])
    assert torch.equal(rows[2:], given[2:])  # with the last one, for "no object"


def test_uniperceiver_without_a_file_is_no_matter_of_timm():
    with pytest.raises(InputError, match=r"'uniperceiver_large': timm has no weights of it.*file on disk"):
        ViTAdapter(
            "uniperceiver_large", pretrained=True, options={"depth": 4, "embed_dim": 32, "num_heads": 4}
        )
