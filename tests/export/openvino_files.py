"""Files for OpenVINO against the models that they were made of; ``test_openvino.py`` runs this file by itself."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from tiny import TINY, TINY_VIT
from vit_adapter import InputError, Segmenter, UPerNetConfig, ViTPyramid
from vit_adapter.api import export
from vit_adapter.config import ClassTable, InferenceConfig
from vit_adapter.data.scenes import render_scene
from vit_adapter.export import ExportedModel

openvino = pytest.importorskip("openvino")
PROTOCOL = InferenceConfig(crop=64, stride=40)
CLASSES = ClassTable(("road", "sky", "café"), (3, 7, 200), colours=((1, 2, 3), (4, 5, 6), (7, 8, 9)))


def model() -> Segmenter:
    torch.manual_seed(0)
    backbone = ViTPyramid(TINY_VIT, options=TINY, img_size=64)
    made = Segmenter(
        backbone, UPerNetConfig(channels=16, auxiliary=False), classes=CLASSES, protocol=PROTOCOL
    )
    with torch.no_grad():  # scores that differ from pixel to pixel
        for weight in made.head.parameters():
            weight.mul_(2)
    return made.eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model and its pair of files, for images of any size."""
    made, file = model(), tmp_path_factory.mktemp("openvino") / "model.xml"
    report = export(made, file, dynamic=True)
    assert report.agreement.difference < 1e-4
    assert report.agreement.pixels > 0.999
    assert sorted(path.name for path in file.parent.iterdir()) == ["model.bin", "model.xml"]
    assert report.megabytes == pytest.approx(sum(path.stat().st_size for path in file.parent.iterdir()) / 1e6)
    return made, file


@pytest.mark.slow
def test_openvino_alone_gives_the_scores_of_the_model(exported):
    made, file = exported
    compiled = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    images = torch.randn(2, 3, 96, 64)
    (found,) = compiled({"images": images.numpy()}).values()
    with torch.no_grad():
        np.testing.assert_allclose(found, made(images).numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_labels_and_description(exported):
    made, file = exported
    found = ExportedModel(file)
    assert (found.classes, found.protocol, found.description.size) == (CLASSES, PROTOCOL, None)
    for size in [(90, 130), (40, 50)]:
        image = render_scene(5, size=size).image
        assert (found.labels(image) == made.predict(image).labels).mean() > 0.999


@pytest.mark.slow
def test_predict_takes_the_file_and_imports_no_torch(exported, tmp_path):
    made, file = exported
    image = render_scene(5, size=(90, 130)).image
    Image.fromarray(image).save(tmp_path / "a.png")
    words = ["predict", str(file), "a.png", "--out", "out"]
    code = (
        f"import sys\nfrom vit_adapter.cli.main import main\ncode = main({words!r})\n"
        "print(code, 'torch' in sys.modules, 'onnxruntime' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 False False", done.stderr
    labels = np.asarray(Image.open(tmp_path / "out/a_labels.png"))
    assert (labels == made.predict(image).own_ids()).mean() > 0.999


@pytest.mark.slow
def test_files_that_cannot_be_used(exported, tmp_path):
    _, file = exported
    (tmp_path / "alone.xml").write_bytes(file.read_bytes())
    with pytest.raises(InputError, match=r"alone\.xml: OpenVINO cannot read it"):
        ExportedModel(tmp_path / "alone.xml")
    other = openvino.Core().read_model(file)
    other.set_rt_info("", ["other"])
    del other.rt_info["vit_adapter"]
    openvino.save_model(other, tmp_path / "other.xml")
    with pytest.raises(InputError, match="not written by vit-adapter export"):
        ExportedModel(tmp_path / "other.xml")
    (tmp_path / "broken.xml").write_text("<nothing/>")
    with pytest.raises(InputError, match="OpenVINO cannot read it"):
        ExportedModel(tmp_path / "broken.xml")
