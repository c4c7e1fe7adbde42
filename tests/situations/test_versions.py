"""Windows, macOS and versions: files of other editors, spawned workers, the order of memory."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from vit_adapter import InputError
from vit_adapter.cli.main import main
from vit_adapter.config import AugmentationConfig, DataConfig, Normalization
from vit_adapter.data.class_files import read_class_file
from vit_adapter.data.dataset import open_dataset
from vit_adapter.data.training_set import TrainingSet
from vit_adapter.training.checkpoints import read_checkpoint

from .making import TRAINING, halves, save_pairs, varied_model
from .training_parts import rows


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("road\nsky", "utf-8-sig"),
        ("road\r\nsky\r\n", "utf-8"),
        ("road\nsky\n\n", "utf-8"),
        ("road\r\nsky\r\n", "utf-8-sig"),
        ("road\r\nsky\r\n", "utf-16"),
    ],
)
@pytest.mark.parametrize("suffix", ["txt", "csv"])
def test_s69_class_file_written_by_a_windows_editor(tmp_path, text, encoding, suffix):
    """Byte order marks, Windows line ends and empty lines at the end are no part of a name; UTF-16 is understood."""
    path = tmp_path / f"classes.{suffix}"
    path.write_bytes(text.encode(encoding))
    names = [entry.name for entry in read_class_file(path)]
    assert names == ["road", "sky"]
    assert [len(name) for name in names] == [4, 3]


def test_s69_another_encoding(tmp_path):
    """Text in another encoding than UTF-8 is refused in one line that names file, byte and the likely encoding."""
    path = tmp_path / "classes.txt"
    path.write_bytes("Straße\nsky".encode("cp1252"))
    with pytest.raises(InputError, match=r"classes\.txt: is not UTF-8 text \(byte 0xDF .*cp1252"):
        read_class_file(path)


@pytest.mark.slow
def test_s69_a_console_without_such_letters(tmp_path):
    """Names that the console cannot show are written with escapes; nothing fails under a C locale."""
    data = save_pairs(tmp_path / "data", {"a": halves(0, 1), "b": halves(1, 0)})
    (data / "classes.txt").write_bytes("Straße\r\nsky\r\n".encode("utf-8-sig"))
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    plain.pop("PYTHONIOENCODING", None)
    words = [sys.executable, "-m", "vit_adapter.cli.main", "data", "check", str(data), "--sheet", ""]
    done = subprocess.run(words, env=plain, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert rb"Stra\xdfe" in done.stdout
    assert b"Traceback" not in done.stderr


SPAWNED = """
import multiprocessing, sys
from vit_adapter.cli.main import main

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_s70_spawned_workers(tmp_path):
    """Whatever workers need can be sent to new processes: batches and weights are those without workers."""
    data = save_pairs(tmp_path / "data", {name: halves(0, 1) for name in "abcd"})
    (tmp_path / "program.py").write_text(SPAWNED)
    words = ["train", "--data.root", str(data), *TRAINING, "--training.steps", "2", "--out"]
    spawned = [str(tmp_path / "spawned"), "--data.workers", "2"]
    command = [sys.executable, str(tmp_path / "program.py"), *words, *spawned]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert main([*words, str(tmp_path / "alone")]) == 0
    ends = [read_checkpoint(tmp_path / name / "last.ckpt")["model"] for name in ("spawned", "alone")]
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    assert rows(tmp_path / "spawned") == rows(tmp_path / "alone")


def test_s70_a_data_set_survives_pickling(tmp_path):
    """Data set and transforms go through a pickle and give the same samples."""
    import pickle

    data = save_pairs(tmp_path / "data", {name: halves(0, 1) for name in "abcd"})
    dataset = open_dataset(DataConfig(root=str(data)), "train")
    source = TrainingSet(dataset, AugmentationConfig(crop=32), Normalization(), seed=0)
    copy = pickle.loads(pickle.dumps(source))
    assert torch.equal(copy[(1, 0)]["image"], source[(1, 0)]["image"])
    assert torch.equal(copy[(1, 0)]["labels"], source[(1, 0)]["labels"])


def orders_of(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same values [1, 3, H, W] in several orders of memory."""
    strided = torch.empty(1, 3, images.shape[2] * 2, images.shape[3] * 3)[:, :, ::2, 1::3]
    strided.copy_(images)
    return {
        "channels last": images.contiguous(memory_format=torch.channels_last),
        "permuted": images.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0),
        "strided": strided,
    }


@pytest.mark.parametrize("head", ["upernet", "mask2former"])
def test_s71_memory_order_of_the_input(head):
    """Scores do not depend on how an image lies in memory; arrays with negative strides are accepted."""
    model = varied_model(head)
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    grey = images[:, :1].expand(1, 3, 64, 96)
    with torch.no_grad():
        wanted = model(images)
        for name, other in orders_of(images).items():
            assert torch.equal(other, images)
            torch.testing.assert_close(model(other), wanted, rtol=0, atol=1e-5, msg=name)
        torch.testing.assert_close(model(grey), model(grey.contiguous()), rtol=0, atol=1e-5)
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    for view in (image[:, ::-1], image[::-1], image[..., ::-1], image.transpose(1, 0, 2)):
        expected = model.predict(np.ascontiguousarray(view)).labels
        np.testing.assert_array_equal(model.predict(view).labels, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator here")
def test_s71_on_an_accelerator():
    """An accelerator gives the scores of the CPU within 1e-3 of the largest one, in every order of memory."""
    model = varied_model()
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = model(images)
        model.cuda()
        for other in (images, *orders_of(images).values()):
            found = model(other.cuda()).cpu()
            assert float((found - wanted).abs().max()) < 1e-3 * float(wanted.abs().max())
