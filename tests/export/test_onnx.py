"""Exported files against the models that they were made of, by onnxruntime."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from tiny import SMALL_MASK2FORMER, TINY, TINY_VIT
from vit_adapter import InputError, Segmenter, UPerNetConfig, ViTAdapter
from vit_adapter.api import export
from vit_adapter.api.export_check import check_exported
from vit_adapter.cli.main import main
from vit_adapter.config import ClassTable, InferenceConfig
from vit_adapter.data.scenes import render_scene
from vit_adapter.export import ExportDescription, ExportedModel
from vit_adapter.export.graph import open_graph
from vit_adapter.export.to_onnx import example_sides

PROTOCOL = InferenceConfig(crop=64, stride=40)
CLASSES = ClassTable(("road", "sky", "car"), (3, 7, 200), colours=((1, 2, 3), (4, 5, 6), (7, 8, 9)))


# One interaction has all there is in four, and is exported in less time.
ONE_INTERACTION: dict[str, Any] = {
    "interaction_indexes": [(0, 1)],
    "vit_feature": "last",
    "extra_extractors": False,
    "options": {**TINY, "depth": 2},
}


def model(head=None, adapter: dict[str, Any] | None = None, **settings) -> Any:
    torch.manual_seed(0)
    adapter = adapter or {"options": TINY}
    backbone = ViTAdapter(TINY_VIT, **{"img_size": 64, **adapter})
    head = head or UPerNetConfig(channels=16, auxiliary=False)
    made = Segmenter(backbone, head, classes=CLASSES, protocol=PROTOCOL, **settings)
    with torch.no_grad():  # scores that differ from pixel to pixel
        for weight in made.head.parameters():
            weight.mul_(2)
    return made.eval()


def session_of(file) -> Any:
    return onnxruntime.InferenceSession(file)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model and its file."""
    made, file = model(), tmp_path_factory.mktemp("onnx") / "model.onnx"
    report: Any = export(made, file)
    assert report.agreement.difference < 1e-5
    assert report.agreement.pixels > 0.9999
    return made, file


@pytest.fixture(scope="module")
def labelling(tmp_path_factory):
    """The same model, and a file of it that gives labels."""
    made, file = model(), tmp_path_factory.mktemp("onnx") / "labels.onnx"
    assert export(made, file, output="labels").agreement.difference < 1e-3
    return made, file


@pytest.mark.slow
def test_file_gives_the_scores_of_the_model(exported):
    made, file = exported
    images = torch.randn(1, 3, 64, 64)
    (found,) = session_of(file).run(None, {"images": images.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found, made(images).numpy(), rtol=1e-4, atol=3e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "protocol",
    [
        PROTOCOL,
        InferenceConfig(crop=64, stride=64, resize=(128, 72), multiple=None),
        InferenceConfig(crop=64, stride=40, scales=(0.5, 1.0), flip=True),
        InferenceConfig(crop=64, stride=40, pad_to_crop="after"),
    ],
    ids=["native", "resized", "views", "padded"],
)
def test_labels_of_images_of_any_size_are_those_of_the_model(exported, protocol):
    made, file = exported
    for size in [(90, 130), (128, 200)]:
        image = render_scene(5, size=size).image
        expected = made.predict(image, protocol=protocol).labels
        found = ExportedModel(file).labels(image, protocol=protocol)
        assert found.dtype == expected.dtype
        assert found.shape == size
        assert (found == expected).mean() > 0.999


@pytest.mark.slow
def test_description_travels_in_the_file(exported):
    made, file = exported
    description = ExportedModel(file).description
    assert description.classes == CLASSES
    assert description.protocol == PROTOCOL
    assert description.size == (64, 64)
    assert description.output == "scores"
    assert description.vit == made.model_config.vit.name


@pytest.mark.slow
def test_applying_a_file_imports_no_torch(exported):
    _, file = exported
    code = (
        "import sys, numpy\nfrom vit_adapter.export import ExportedModel\n"
        f"labels = ExportedModel({str(file)!r}).labels(numpy.zeros((70, 80, 3), numpy.uint8))\n"
        "print(labels.shape, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(70, 80) False"


@pytest.mark.slow
def test_predict_takes_a_file_and_imports_no_torch(exported, tmp_path):
    made, file = exported
    image = render_scene(5, size=(90, 130)).image
    (tmp_path / "photos/below").mkdir(parents=True)
    Image.fromarray(image).save(tmp_path / "photos/below/a.png")
    words = ["predict", str(file), "photos", "--out", "out", "--palette", "beside", "--summary"]
    code = (
        f"import sys\nfrom vit_adapter.cli.main import main\ncode = main({words!r})\n"
        "print(code, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 False", done.stderr
    labels = np.asarray(Image.open(tmp_path / "out/below/a_labels.png"))
    assert (labels == made.predict(image).own_ids()).mean() > 0.999
    assert {path.name for path in (tmp_path / "out").rglob("*.*")} == {
        "a_labels.png", "a_overlay.png", "a_palette.png", "summary.csv",
    }  # fmt: skip
    again = subprocess.run(
        [sys.executable, "-m", "vit_adapter.cli.main", *words, "--skip-existing"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "1 image skipped" in again.stdout


@pytest.mark.slow
def test_a_fixed_file_takes_no_larger_window(exported):
    _, file = exported
    with pytest.raises(
        InputError, match="takes images of 64x64 pixels, a window has 96x96; export with --dynamic"
    ):
        ExportedModel(file).labels(
            np.zeros((99, 99, 3), np.uint8), protocol=InferenceConfig(crop=96, stride=64)
        )


@pytest.mark.slow
def test_images_smaller_than_the_window_are_told_of(exported, tmp_path, capsys):
    _, file = exported
    for name, size in {"small": (32, 32), "large": (70, 90)}.items():
        Image.fromarray(render_scene(1, size=size).image).save(tmp_path / f"{name}.png")
        assert (
            main(["predict", str(file), str(tmp_path / f"{name}.png"), "--out", str(tmp_path / "out")]) == 0
        )
        told = "smaller than the 64x64 pixels that the file takes" in capsys.readouterr().err
        assert told == (name == "small")


@pytest.mark.slow
def test_a_file_for_any_size(tmp_path):
    """Also where the ViT's own positions are as many as those of usual example images: 14 × 14."""
    made, file = model(adapter={**ONE_INTERACTION, "img_size": 224}), tmp_path / "any.onnx"
    report: Any = export(made, file, dynamic=True)
    assert report.agreement.difference < 1e-4
    session = session_of(file)
    for size in [(2, 3, 32, 96), (1, 3, 192, 64), (3, 3, 96, 96)]:
        images = torch.randn(size)
        (found,) = session.run(None, {"images": images.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(found, made(images).numpy(), rtol=1e-4, atol=3e-4)
    small = render_scene(2, size=(40, 50)).image  # smaller than the window: seen as the model sees it
    assert (ExportedModel(file).labels(small) == made.predict(small).labels).mean() > 0.999


@pytest.mark.parametrize(
    "grid", [(1, 1), (14, 14), (16, 16), (18, 14), (24, 24), (32, 32), (36, 36), (37, 37)]
)
def test_no_side_of_the_example_is_taken_for_the_vits_own(grid):
    for side in example_sides(grid):
        assert (side // 16 - grid[0]) * (side // 16 - grid[1]) != 0
        assert side // 32 not in (1, 2, 3, 6)  # grids of the pyramid pooling


@pytest.mark.slow
def test_images_that_a_graph_cannot_take_are_one_line(exported):
    _, file = exported
    with pytest.raises(
        InputError, match=r"model\.onnx: onnxruntime cannot run it on 2 images of 32x64 pixels \("
    ):
        open_graph(file)[0].run(np.zeros((2, 3, 64, 32), np.float32))


@pytest.mark.slow
def test_mask2former_for_any_size(tmp_path, monkeypatch):
    """Rounding flips bits of its attention masks, so the file need agree with one of the model's own answers alone."""
    head = replace(SMALL_MASK2FORMER, queries=4, decoder_layers=1)
    made, file = model(head, ONE_INTERACTION), tmp_path / "any.onnx"
    report: Any = export(made, file, dynamic=True)
    assert report.agreement.difference < 1e-3
    assert report.agreement.pixels > 0.999
    asked = []
    answers: Any = made.predict

    def predict(*inputs, **settings):
        asked.append(settings["batch_size"])
        answer = answers(*inputs, **settings)
        return answer if len(asked) > 1 else replace(answer, labels=2 - answer.labels)

    monkeypatch.setattr(made, "predict", predict)
    image = render_scene(2, size=(64, 80)).image
    agreement: Any = check_exported(made, file, file, image, None)
    assert agreement.pixels > 0.999
    assert asked == [4, 1]
    monkeypatch.setattr(
        made, "predict", lambda *_, **__: replace(answers(image), labels=np.full((64, 80), 9))
    )
    with pytest.raises(InputError, match=r"only 0.00 % of the photo's labels are the model's"):
        check_exported(made, file, file, image, None)


@pytest.mark.slow
def test_labels_alone(labelling):
    made, file = labelling
    image = render_scene(5, size=(90, 130)).image
    one_window = InferenceConfig(crop=64, stride=64, resize=(64, 64), multiple=None)
    found = ExportedModel(file).labels(image[:64, :64], protocol=one_window)
    assert (found == made.predict(image[:64, :64], protocol=one_window).labels).mean() > 0.999
    several = ExportedModel(file).labels(image)
    assert (several == made.predict(image).labels).mean() > 0.9
    with pytest.raises(
        InputError, match="gives labels only; thresholds and tta need a file that gives scores"
    ):
        ExportedModel(file).labels(image, protocol=InferenceConfig(crop=64, stride=64, flip=True))


@pytest.mark.slow
def test_what_a_file_cannot_do_is_refused_once_before_the_work(exported, labelling, tmp_path, capsys):
    """One line and no image touched, instead of the same line for each of three images."""
    _, file = exported
    _, labels = labelling
    for index in range(3):
        Image.fromarray(render_scene(index, size=(64, 64)).image).save(tmp_path / f"{index}.png")
    images = [str(tmp_path / f"{index}.png") for index in range(3)]
    capsys.readouterr()
    for model_file, words, reason in [
        (
            file,
            ["--precision", "bfloat16"],
            "--precision bfloat16: an exported file computes in the precision",
        ),
        (file, ["--scores"], "--scores: an exported file gives labels"),
        (labels, ["--tta"], "gives labels only; thresholds and tta need a file that gives scores"),
        (labels, ["--protocol.flip", "true"], "gives labels only; thresholds and tta need"),
    ]:
        out = tmp_path / "out"
        assert main(["predict", str(model_file), *images, "--out", str(out), *words]) == 2
        said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("note: ")]
        assert len(said) == 1
        assert reason in said[0]
        assert not out.exists()
    assert main(["predict", str(labels), *images, "--out", str(tmp_path / "out"), "--quiet"]) == 0


def test_what_cannot_be_exported_is_said_in_one_line(tmp_path, capsys):
    with pytest.raises(InputError, match=r"expected a name that ends with \.onnx or \.xml"):
        export(model(), tmp_path / "model.pt")
    whole = model()
    whole.protocol = InferenceConfig(mode="whole")
    with pytest.raises(InputError, match="whole images, of any size: export with --dynamic"):
        export(whole, tmp_path / "model.onnx")
    with pytest.raises(InputError, match="UPerHead does not find objects"):
        export(model(), tmp_path / "model.onnx", output="queries")
    assert main(["export", str(tmp_path / "none"), "-o", str(tmp_path / "m.onnx")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_program_is_refused(tmp_path):
    file = tmp_path / "other.onnx"
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [value], [
        onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    ])  # fmt: skip
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10), file
    )
    with pytest.raises(InputError, match="not written by vit-adapter export"):
        ExportedModel(file)
    (tmp_path / "broken.onnx").write_bytes(b"no onnx")
    with pytest.raises(InputError, match="onnxruntime cannot read it"):
        ExportedModel(tmp_path / "broken.onnx")


def test_a_file_that_differs_is_not_left_behind(tmp_path, monkeypatch):
    """The check compares with the model as it is: one that changed in between must not pass."""
    import vit_adapter.api.exporting as exporting

    def altered(made, file, **settings):
        description = ExportDescription(CLASSES, PROTOCOL, 3, "logits", "scores", (64, 64))
        images = onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, 64, 64])
        scores = onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, [1, 3, 64, 64])
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node("Identity", ["images"], ["scores"])], "g", [images], [scores]
        )
        made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
        onnx.helper.set_model_props(made, {"vit_adapter": description.to_json()})
        onnx.save(made, file)

    monkeypatch.setattr(exporting, "export_onnx", altered)
    with pytest.raises(InputError, match=r"model\.onnx: the graph's output differs from the model's by"):
        export(model(), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
