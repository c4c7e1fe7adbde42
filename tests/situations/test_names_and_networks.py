"""ViTs named as people write them, and machines without a network."""

import socket
import threading
import time
import typing
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import timm
from PIL import Image

from vit_adapter import InputError, Segmenter, ViTAdapter
from vit_adapter.backbones import timm_name
from vit_adapter.backbones.vit import pretrained as pretrained_room
from vit_adapter.config import FCNConfig, TaskName, network
from vit_adapter.images import list_images, read_image
from vit_adapter.segmenter import hub as hub_room
from vit_adapter.segmenter.prediction import Prediction

from .making import TINY, TRAINING, halves, refusal, save_pairs

HEADING = "Names of ViTs, and machines without a network"
TITLES = {
    213: "A ViT named as its authors, the hub or a slip of the pen have it",
    214: "A first run without a network",
    215: "Results of unknown type",
    262: "A run folder with a slip of the pen",
    340: "Images named before the model, a folder of runs, addresses",
}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("dinov2_vits14", "vit_small_patch14_dinov2"),
        ("dinov2_vitb14_reg", "vit_base_patch14_reg4_dinov2"),
        ("facebook/dinov2-small", "vit_small_patch14_dinov2"),
        ("facebook/dinov2-with-registers-large", "vit_large_patch14_reg4_dinov2"),
        ("hf_hub:timm/vit_small_patch14_dinov2.lvd142m", "vit_small_patch14_dinov2.lvd142m"),
        ("hf-hub:timm/vit_small_patch14_dinov2.lvd142m", "vit_small_patch14_dinov2.lvd142m"),
        ("timm/vit_tiny_patch16_224", "vit_tiny_patch16_224"),
        ("dinov3-base", "vit_base_patch16_dinov3"),
        ("dinov3_vits16plus", "vit_small_plus_patch16_dinov3"),
        ("facebook/dinov3-vitb16-pretrain-lvd1689m", "vit_base_patch16_dinov3"),
        ("facebook/dinov3-vitl16-pretrain-sat493m", "vit_large_patch16_dinov3.sat493m"),
        ("dino_vits16", "vit_small_patch16_224.dino"),
        ("mae_vit_base_patch16", "vit_base_patch16_224.mae"),
        ("facebook/vit-mae-huge", "vit_huge_patch14_224.mae"),
        ("facebook/deit-tiny-patch16-224", "deit_tiny_patch16_224"),
        ("microsoft/beit-base-patch16-224", "beit_base_patch16_224"),
        ("ViT-Tiny-Patch16-224", "vit_tiny_patch16_224"),
        ("uniperceiver_large", "uniperceiver_large"),
    ],
)
def test_s213_names_that_work(written, expected):
    """Names of the authors' repositories and of the hub mean timm's model with the same weights."""
    assert timm_name(written) == expected
    assert expected == "uniperceiver_large" or timm.get_pretrained_cfg(expected) is not None


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "vit_small_patch14_dinov2.lvd142",
            r"timm has no weights 'lvd142' .*expected vit_small_patch14_dinov2.lvd142m",
        ),
        (
            "vit_small_patch16_224.augreg",
            r"expected vit_small_patch16_224\.augreg_in1k, .*vit_small_patch16_224\.dino",
        ),
        ("vit_tiny_patch16_225", "is not a timm model; near: vit_tiny_patch16_224"),
        ("dinov2", "near: .*dinov2"),
        ("google/vit-base-patch16-224", "only ViTs that timm has can be built; near: vit_base_patch16_224"),
        ("vit_b_16", "near: vit_base_patch16_224"),
    ],
)
def test_s213_names_that_are_near(written, message):
    """A wrong tag lists the tags, a wrong name the near ones; other people's weights are never taken instead."""
    with pytest.raises(InputError, match=message) as caught:
        ViTAdapter(written)
    assert "\n" not in str(caught.value)


def test_s213_timms_name_is_stored(tmp_path, capfd):
    """What is stored with a model is timm's name; the command line names a wrong one in one line."""
    backbone = ViTAdapter("hf_hub:timm/vit_tiny_patch16_224", img_size=64, options=TINY)
    model = Segmenter(backbone, FCNConfig(channels=8), 2)
    assert model.to_dict()["model"]["vit"]["name"] == "vit_tiny_patch16_224"
    root = save_pairs(tmp_path / "data", {name: halves(0, 1, 64, 64) for name in "abc"})
    words = [
        "train",
        "--data.root",
        root,
        *TRAINING,
        "--model.vit",
        "vit_small_patch14_dinov2.lvd142",
        "--dry-run",
    ]
    assert "timm has no weights 'lvd142'" in refusal(capfd, *words)


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """A hub cache without anything in it, and a hub at an address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        pretrained_room, "try_to_load_from_cache",
        lambda *words: huggingface_hub.try_to_load_from_cache(*words, cache_dir=tmp_path / "cache"),
    )  # fmt: skip
    return tmp_path / "cache"


def test_s214_weights_without_a_network(empty_cache, monkeypatch):
    """Without a network one line says within seconds which file to fetch elsewhere, and which setting names it."""
    message = (
        r"the weights of vit_small_patch14_dinov2 are not on this machine and cannot be fetched: 127\.0\.0\.1 cannot "
        r"be reached .*vit_small_patch14_dinov2\.lvd142m/resolve/main/model\.safetensors.*--model\.vit\.pretrained FILE"
    )
    begin = time.monotonic()
    with pytest.raises(InputError, match=message):
        ViTAdapter("vit_small_patch14_dinov2", pretrained=True)
    assert time.monotonic() - begin < 2 * network.SECONDS
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        ViTAdapter("vit_small_patch14_dinov2", pretrained=True)


def test_s214_a_hub_repository_without_a_network(empty_cache, monkeypatch):
    """A model repository that is not on this machine is one line too; one in the cache loads."""
    with pytest.raises(
        InputError, match=r"nobody/nothing: no model folder, and no hub repository .*127\.0\.0\.1"
    ):
        Segmenter.from_pretrained("nobody/nothing", cache_dir=empty_cache)
    asked = []

    def cached(name, **settings):
        asked.append(settings)
        return "folder"

    monkeypatch.setattr(hub_room, "snapshot_download", cached)
    assert hub_room.fetch_repository("me/streets", {"revision": "main"}) == "folder"
    assert asked == [{"revision": "main", "local_files_only": True}]


def test_s214_it_is_said_before_the_wait(empty_cache, monkeypatch, capsys):
    """Before weights are fetched a line names them, their size and where they come from."""
    monkeypatch.setattr(pretrained_room, "unreachable", lambda url: None)
    pretrained_room._announce("vit_small_patch14_dinov2")
    assert "getting weights of vit_small_patch14_dinov2 (about 88 MB) from http" in capsys.readouterr().err


def test_s214_a_server_that_answers_or_never_does(monkeypatch):
    """The question takes no longer than its limit, whether a name, a connection or nothing at all fails."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert network.unreachable(f"http://127.0.0.1:{port}/a") is None
    assert "cannot be reached" in (network.unreachable(f"http://127.0.0.1:{port}/a") or "")
    waiting = threading.Event()

    def hang(*words, **settings):
        waiting.wait(30)
        raise TimeoutError

    monkeypatch.setattr(network.socket, "create_connection", hang)
    begin = time.monotonic()
    assert (
        network.unreachable("https://hub.invalid", seconds=0.2) == "hub.invalid does not answer within 0.2 s"
    )
    assert time.monotonic() - begin < 5
    waiting.set()


def test_s215_types_of_predictions():
    """Editors and type checkers know that one image gives a result of one of the tasks and a list a list of them."""
    hints = [typing.get_type_hints(form) for form in typing.get_overloads(Segmenter.predict)]
    unnamed = [hint for hint in hints if hint["task"] == TaskName | None]
    assert [hint["return"] for hint in unnamed] == [list[Prediction], Prediction]
    assert {str, Path, np.ndarray} <= set(typing.get_args(unnamed[1]["images"]))


@pytest.mark.parametrize(
    ("written", "meant"),
    [("runs/cell", "runs/cells"), ("run", "runs"), ("deep/er/runs/cels", "deep/er/runs/cells")],
)
def test_s262_a_name_like_the_one_that_is_there(tmp_path, monkeypatch, capfd, empty_cache, written, meant):
    """A folder that is not there, beside one with a name like it, is answered with that name, also where the words
    could be those of a hub repository."""
    for folder in ("runs/cells", "deep/er/runs/cells"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for words in (["predict", written, "a.jpg"], ["eval", written, "--data.root", "x"]):
        assert refusal(capfd, *words).endswith(f"; did you mean {meant}?")


def test_s340_what_is_no_model(tmp_path, monkeypatch, capfd, empty_cache):
    """Images before the model, and a folder of several runs, are told as that, with what was meant."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("photo.jpg")
    for name in ("first", "second"):
        (tmp_path / "runs" / name / "best").mkdir(parents=True)
        for file in ("config.json", "model.safetensors"):
            (tmp_path / "runs" / name / "best" / file).touch()
    line = refusal(capfd, "predict", "photo.jpg", "runs/first")
    assert line.endswith("photo.jpg: is an image, expected a model; it is named before the images")
    line = refusal(capfd, "eval", "runs", "--data.root", "x")
    assert line.endswith("nor does its folder best/; the folders in it that do: runs/first, runs/second")


def test_s340_an_address_is_no_image(tmp_path, monkeypatch):
    """An address in place of an image file is told as that: nothing is fetched."""
    monkeypatch.chdir(tmp_path)
    for function in (list_images, read_image):
        with pytest.raises(InputError, match=r"https://a\.b/photo\.jpg: is an address; fetch the file first"):
            function("https://a.b/photo.jpg")
