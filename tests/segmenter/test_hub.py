"""Uploading to the hub, proved with a client that only records what it is asked for."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import ModelCard

from tiny import TINY
from vit_adapter import InputError, Segmenter, ViTAdapter
from vit_adapter.config import ClassTable, InferenceConfig, ModelConfig, UPerNetConfig
from vit_adapter.segmenter import hub as hub_room
from vit_adapter.segmenter.card import model_card, vit_licence

CLASSES = ClassTable(("road", "sky", "car"), (7, 0, 26), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))


class Hub:
    """Stands in for ``HfApi``: keeps the calls, and a copy of what was uploaded."""

    calls: list[tuple[str, dict]]
    files: dict[str, bytes]
    refusal: Exception | None = None

    def __init__(self, token=None):
        Hub.calls.append(("client", {"token": token}))

    def create_repo(self, **settings):
        if Hub.refusal is not None:
            raise Hub.refusal
        Hub.calls.append(("create", settings))
        name = settings["repo_id"]
        return SimpleNamespace(repo_id=name if "/" in name else f"somebody/{name}")

    def upload_folder(self, *, folder_path, **settings):
        Hub.calls.append(("upload", settings))
        Hub.files = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}
        return "https://hub.invalid/commit/1"


@pytest.fixture
def hub(monkeypatch):
    Hub.calls, Hub.files, Hub.refusal = [], {}, None
    monkeypatch.setattr(hub_room, "HfApi", Hub)
    return Hub


def make(vit="vit_tiny_patch16_224", **options):
    torch.manual_seed(0)
    narrow = {**TINY, **options}
    model = Segmenter(
        ViTAdapter(vit, options=narrow, img_size=64),
        UPerNetConfig(channels=16, auxiliary=False),
        classes=CLASSES,
    ).eval()
    model.training_facts = {"pretrained": True}
    return model


def card_of(hub) -> ModelCard:
    return ModelCard(hub.files["README.md"].decode())


def test_what_is_uploaded(hub, tmp_path):
    model = make()
    address = model.push_to_hub("me/streets", private=True, token="secret", branch="trial", create_pr=True)
    assert address == "https://hub.invalid/commit/1"
    assert [name for name, _ in hub.calls] == ["client", "create", "upload"]
    assert hub.calls[0][1] == {"token": "secret"}
    assert hub.calls[1][1] == {"repo_id": "me/streets", "private": True, "exist_ok": True}
    upload = hub.calls[2][1]
    assert (upload["repo_id"], upload["revision"], upload["create_pr"]) == ("me/streets", "trial", True)
    assert set(hub.files) == {"README.md", "config.json", "model.safetensors"}
    for name, content in hub.files.items():
        (tmp_path / name).write_bytes(content)
    again = Segmenter.from_pretrained(tmp_path)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again(images), model(images))
    assert again.classes == CLASSES
    assert b"secret" not in b"".join(hub.files.values())


def test_the_card(hub):
    make().push_to_hub("streets")  # the hub puts the owner in front
    card = card_of(hub)
    assert card.data.license == "apache-2.0"
    assert card.data.pipeline_tag == "image-segmentation"
    assert card.data.library_name == "vit-adapter"
    assert "3 classes: road, sky, car." in card.text
    assert 'Segmenter.from_pretrained("somebody/streets")' in card.text
    assert "vit_tiny_patch16_224 are published under apache-2.0" in card.text


@pytest.mark.parametrize(
    ("task", "names", "tag", "limit"),
    [
        ("semantic", ("road", "sky"), "image-segmentation", "Every pixel gets one of the classes above"),
        ("semantic", ("road",), "image-segmentation", "Every pixel is of the class above or of none"),
        ("instance", ("car",), "image-segmentation", "those below the score threshold are left out"),
        ("detection", ("car",), "object-detection", "those below the score threshold are left out"),
    ],
)
def test_what_the_card_says_of_limits(task, names, tag, limit):
    text = model_card(
        ModelConfig(), ClassTable(names, tuple(range(len(names)))), InferenceConfig(), None, task=task
    )
    card = ModelCard(text)
    assert card.data.pipeline_tag == tag
    assert limit in card.text
    assert "measure it on images of your own first" in card.text


def test_a_licence_that_the_hub_has_no_name_for(hub):
    make("vit_small_patch16_dinov3", num_heads=4, embed_dim=32).push_to_hub("me/streets")
    card = card_of(hub)
    assert (card.data.license, card.data.license_name) == ("other", "dinov3-license")
    assert "dinov3-license" in card.text


def test_saving_and_uploading_in_one_call(hub, tmp_path):
    make().save_pretrained(tmp_path / "streets", push_to_hub=True)
    assert hub.calls[1][1]["repo_id"] == "streets"
    assert "path/of/this/folder" in (tmp_path / "streets" / "README.md").read_text()
    assert "somebody/streets" in card_of(hub).text


@pytest.mark.parametrize("error", [OSError("401 unauthorised\nlong page"), RuntimeError("no route to host")])
def test_a_refusal_is_one_line(hub, error):
    hub.refusal = error
    with pytest.raises(
        InputError, match=r"me/streets: cannot be uploaded to the hub: (401|no route)"
    ) as caught:
        make().push_to_hub("me/streets")
    assert "\n" not in str(caught.value)


def test_a_model_of_modules_is_refused_before_a_repository_is_made(hub):
    model = Segmenter(ViTAdapter(make().backbone.vit), num_classes=2)
    with pytest.raises(InputError, match="modules of your own"):
        model.push_to_hub("me/streets")
    assert hub.calls == []


@pytest.mark.parametrize(
    ("vit", "licence"),
    [
        ("deit_tiny_patch16_224", "apache-2.0"),
        ("beit_large_patch16_224.in22k_ft_in22k", "mit"),
        ("uniperceiver_large", "apache-2.0"),
        ("vit_base_patch16_224.mae", "cc-by-nc-4.0"),
        ("vit_huge_own", None),
    ],
)
def test_licences(vit, licence):
    assert vit_licence(vit) == licence
