"""What the options of ``predict`` change about its results."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from situations.making import BLUE, GREEN, RED, colour_model, halves, varied_model
from vit_adapter.api import predict
from vit_adapter.api.progress import windows_counted
from vit_adapter.cli.main import main
from vit_adapter.config import ClassTable, InferenceConfig, InputError
from vit_adapter.config.progress_bar import ProgressBar
from vit_adapter.images import read_mask
from vit_adapter.inference.cost import count_windows

COLOURS = ((12, 34, 56), (200, 100, 50))


def classes(*ids: int) -> ClassTable:
    return ClassTable(("road", "sky"), ids, COLOURS)


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(halves(RED, BLUE, 32, 64)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_palette_image_beside_the_label_map(tmp_path, photo):
    model = colour_model([RED, BLUE], classes=classes(7, 200))
    assert predict(model, photo, tmp_path / "out", palette="beside", quiet=True) == []
    assert files(tmp_path / "out") == ["a_labels.png", "a_overlay.png", "a_palette.png"]
    plain, coloured = (Image.open(tmp_path / "out" / f"a_{kind}.png") for kind in ("labels", "palette"))
    assert (plain.mode, coloured.mode) == ("L", "P")
    np.testing.assert_array_equal(np.asarray(plain), halves(7, 200, 32, 64))
    np.testing.assert_array_equal(np.asarray(coloured), np.asarray(plain))
    np.testing.assert_array_equal(np.asarray(coloured.convert("RGB")), halves(*COLOURS, 32, 64))


def test_palette_image_instead_of_the_label_map(tmp_path, photo):
    model = colour_model([RED, BLUE], classes=classes(7, 200))
    assert predict(model, photo, tmp_path / "out", palette="instead", overlay=False, quiet=True) == []
    assert files(tmp_path / "out") == ["a_labels.png"]
    file = tmp_path / "out" / "a_labels.png"
    np.testing.assert_array_equal(read_mask(file).values, halves(7, 200, 32, 64))  # a mask for training
    np.testing.assert_array_equal(np.asarray(Image.open(file).convert("RGB")), halves(*COLOURS, 32, 64))


def test_values_beyond_a_palette_are_refused_before_the_work(tmp_path, photo, monkeypatch):
    model = colour_model([RED, BLUE], classes=classes(7, 300))
    with monkeypatch.context() as patch:
        patch.setattr(model, "predict", None)
        with pytest.raises(
            InputError, match="value 300, but a palette PNG holds 0 to 255 only; take --ids cont"
        ):
            predict(model, photo, tmp_path / "out", palette="beside", quiet=True)
    assert not (tmp_path / "out").exists()
    assert predict(model, photo, tmp_path / "out", palette="instead", ids="contiguous", quiet=True) == []
    np.testing.assert_array_equal(read_mask(tmp_path / "out" / "a_labels.png").values, halves(0, 1, 32, 64))


def test_overlays_of_the_size_of_the_image(tmp_path, photo):
    model = colour_model([RED, BLUE])
    predict(model, photo, tmp_path / "with", quiet=True)
    predict(model, photo, tmp_path / "without", legend=False, quiet=True)
    assert Image.open(tmp_path / "with" / "a_overlay.png").width == 512
    assert Image.open(tmp_path / "without" / "a_overlay.png").size == (64, 32)


@pytest.mark.slow
def test_protocol_and_precision_by_flags(tmp_path, photo, capsys):
    """One named setting changes; what is not named stays the model's own."""
    model = varied_model(protocol=InferenceConfig(crop=64, stride=20))
    model.save_pretrained(tmp_path / "model")
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    Image.fromarray(noise).save(photo)
    words = ["predict", str(tmp_path / "model"), str(photo), "--device", "cpu", "--no-overlay", "--out"]
    for name, flags, settings in (
        ("plain", [], {}),
        ("flip", ["--protocol.flip", "true"], {"protocol": InferenceConfig(crop=64, stride=20, flip=True)}),
        ("crop", ["--protocol.crop", "32"], {"protocol": InferenceConfig(crop=32, stride=21)}),
        ("half", ["--precision", "bfloat16"], {"precision": "bfloat16"}),
    ):
        assert main([*words, str(tmp_path / name), *flags]) == 0
        written = np.asarray(Image.open(tmp_path / name / "a_labels.png"))
        np.testing.assert_array_equal(written, model.predict(noise, **settings).labels, err_msg=name)
    assert "1 image: label maps in" in capsys.readouterr().out
    assert main([*words, str(tmp_path / "wrong"), "--protocol.stride", "100"]) == 2
    assert "stride 100 is larger than the crop 64" in capsys.readouterr().err
    assert not (tmp_path / "wrong").exists()


def test_optimized_models_give_the_same_labels(tmp_path, photo, capsys):
    model = varied_model(protocol=InferenceConfig(crop=64, stride=20))
    model.save_pretrained(tmp_path / "model")
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    Image.fromarray(noise).save(photo)
    expected = model.predict(noise).labels
    words = ["predict", str(tmp_path / "model"), str(photo), "--device", "cpu", "--no-overlay", "--out"]
    for name, flags, told in (
        ("float32", ["--dtype", "float32"], "batch norms folded into their convolutions"),
        ("bfloat16", ["--dtype", "bfloat16"], "weights in bfloat16"),
        ("fast", ["--fast"], "optimized: "),
    ):
        assert main([*words, str(tmp_path / name), *flags]) == 0
        assert told in capsys.readouterr().err
        written = np.asarray(Image.open(tmp_path / name / "a_labels.png"))
        assert (written == expected).mean() >= (0.9999 if name == "float32" else 0.95)
    assert main([*words, str(tmp_path / "both"), "--fast", "--precision", "bfloat16"]) == 2
    assert "--precision bfloat16 beside --fast: take one of them" in capsys.readouterr().err
    predict(model, photo, tmp_path / "own", dtype="bfloat16", quiet=True)
    assert model.optimizations == ()  # a model that is given stays as it is


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"batch_size": 0}, "--batch-size 0: expected at least 1"),
        ({"alpha": float("nan")}, "--alpha nan: expected a finite number, at least 0 and at most 1"),
        ({"ids": "mine"}, "--ids mine: expected own or contiguous"),
        ({"palette": "over"}, "--palette over: expected beside or instead"),
        ({"threshold": 1.5}, "--threshold 1.5: expected at least 0 and at most 1, or none"),
        ({"precision": "float8"}, "--precision float8: expected float32, bfloat16 or float16"),
    ],
)
def test_settings_without_a_meaning_are_refused_before_the_work(
    tmp_path, photo, monkeypatch, settings, expected
):
    model = colour_model([RED, BLUE])
    monkeypatch.setattr(model, "predict", None)
    with pytest.raises(InputError) as caught:
        predict(model, photo, tmp_path / "out", quiet=True, **settings)
    assert str(caught.value) == expected
    assert not (tmp_path / "out").exists()


def test_a_batch_of_nothing_is_refused(tmp_path, photo):
    with pytest.raises(InputError, match="batch_size 0: expected at least 1"):
        colour_model([RED, BLUE]).predict(photo, batch_size=0)


def test_skipping_counts_another_protocol_as_missing(tmp_path, photo):
    model = varied_model()
    for flip, expected in ((False, True), (True, True), (True, False)):
        begin = [] if not (tmp_path / "out").exists() else [(tmp_path / "out" / "a_labels.png").stat().st_ino]
        predict(model, photo, tmp_path / "out", skip_existing=True, protocol={"flip": flip}, quiet=True)
        assert ([(tmp_path / "out" / "a_labels.png").stat().st_ino] != begin) == expected


def test_the_rate_and_the_paths_read_from_standard_input(tmp_path, photo, capsys, monkeypatch):
    varied_model().save_pretrained(tmp_path / "model")
    standard_input = io.TextIOWrapper(io.BytesIO(f"{photo}\n\n{tmp_path / 'none.png'}\n".encode()))
    monkeypatch.setattr("sys.stdin", standard_input)
    out = str(tmp_path / "out")
    assert main(["predict", str(tmp_path / "model"), "--list", "-", "--out", out, "--device", "cpu"]) == 2
    printed = capsys.readouterr()
    assert printed.out.startswith(f"1 image: label maps and overlays in {out} (")
    assert printed.out.strip().endswith(" images/s)")
    assert printed.err.strip().endswith(f"{tmp_path / 'none.png'}: no such file or folder")
    assert main(["predict", str(tmp_path / "model"), "--out", out]) == 2
    assert capsys.readouterr().err == "vit-adapter: error: no image is named: give files, folders or --list\n"


@pytest.mark.parametrize(
    "protocol",
    [
        InferenceConfig(crop=64, stride=42),
        InferenceConfig(crop=64, stride=42, flip=True, scales=(0.5, 1.0)),
        InferenceConfig(mode="whole", scales=(0.5, 1.0)),
        InferenceConfig(crop=64, stride=64, pad_to_crop="after", unpad=True),
    ],
)
def test_windows_are_counted_as_they_run(protocol):
    model = colour_model([RED, GREEN], protocol)
    image = np.zeros((100, 150, 3), np.uint8)
    windows = []
    hook = model.backbone.register_forward_pre_hook(lambda _, images: windows.append(len(images[0])))
    model.predict(image, batch_size=3)
    hook.remove()
    assert count_windows((100, 150), protocol) == sum(windows)
    with ProgressBar("images", 1, console=Console(file=io.StringIO())) as progress:
        images, counted = progress._bar.tasks
        with windows_counted(progress, model, sum(windows)):
            model.predict(image, batch_size=3)
            assert (counted.completed, counted.total) == (sum(windows) - windows[-1], sum(windows))
            assert counted.visible == (sum(windows) > 1)
        progress.advance()
        assert (images.completed, images.total, counted.visible) == (1, 1, False)
    assert not model.backbone._forward_pre_hooks


def test_an_image_file_is_read_once(tmp_path, monkeypatch):
    Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save(tmp_path / "a.png")
    opened = []
    real = Path.open

    def noted(self, *arguments, **settings):
        opened.append(self.name)
        return real(self, *arguments, **settings)

    model = colour_model([RED, GREEN])
    monkeypatch.setattr(Path, "open", noted)
    for _ in range(2):
        opened.clear()
        assert predict(model, tmp_path / "a.png", tmp_path / "out", skip_existing=True, quiet=True) == []
        # Once to see that it is no result of ours, once for its pixels and its digest.
        assert opened.count("a.png") <= 2


def test_older_names_of_arguments_and_flags(tmp_path, capfd):
    Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save(tmp_path / "a.png")
    model = colour_model([RED, GREEN])
    with pytest.warns(UserWarning, match="multi_scale is tta now; the old name works in this version"):
        predict(model, tmp_path / "a.png", tmp_path / "out", multi_scale=True, quiet=True)
    with pytest.raises(InputError, match="multi_scale and tta are two names"):
        predict(model, tmp_path / "a.png", tmp_path / "out", multi_scale=True, tta=True, quiet=True)
    varied_model().save_pretrained(tmp_path / "model")
    words = [str(tmp_path / name) for name in ("model", "a.png")]
    for form in (["--batch", "2"], ["--batch=2"]):
        assert main(["predict", *words, "--out", str(tmp_path / "older"), "--quiet", *form]) == 0
        assert (
            capfd.readouterr().err
            == "note: --batch is --batch-size now; the old name works in this version\n"
        )


def test_a_line_of_json_for_each_image(tmp_path, photo, monkeypatch):
    model = colour_model([RED, BLUE], classes=classes(7, 200))
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    photo.rename(folder / "below/a.png")
    (folder / "broken.png").write_bytes(b"no image")
    assert len(predict(model, folder, tmp_path / "out", jsonl=True, quiet=True)) == 1
    log = tmp_path / "out/results.jsonl"
    broken, whole = sorted((json.loads(line) for line in log.read_text().splitlines()), key=len)
    assert broken["image"] == str(folder / "broken.png")
    assert "broken.png" in broken["error"]
    assert whole.pop("seconds") >= 0
    assert whole == {
        "image": str(folder / "below/a.png"), "result": "below/a_labels.png", "width": 64, "height": 32,
        "classes": {"road": 0.5, "sky": 0.5},
    }  # fmt: skip
    (folder / "broken.png").unlink()
    # What is skipped keeps its line, and a run from the beginning begins the file anew.
    predict(model, folder, tmp_path / "out", jsonl=True, skip_existing=True, quiet=True)
    assert len(log.read_text().splitlines()) == 2
    predict(model, folder, tmp_path / "out", jsonl=True, quiet=True)
    assert len(log.read_text().splitlines()) == 1
    log.write_text("mine")
    with pytest.raises(InputError, match="exists already and is not a log of vit-adapter"):
        predict(model, folder, tmp_path / "out", jsonl=True, quiet=True)
    assert log.read_text() == "mine"
