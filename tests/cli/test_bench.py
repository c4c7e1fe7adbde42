"""``vit-adapter bench``: rows, resuming, the page."""

import json
import sys

import pytest
import torch

from tiny import tiny_model
from vit_adapter.api.benchmark import rows, running
from vit_adapter.api.benchmark.peers import PEERS, make_peer
from vit_adapter.cli.main import main
from vit_adapter.config import ClassTable, InputError
from vit_adapter.segmenter import Segmenter


@pytest.fixture
def small(monkeypatch):
    """Tiny models and two rows instead of those of the paper."""

    def build(name):
        torch.manual_seed(0)
        return Segmenter.from_config(tiny_model(), ClassTable(("a", "b", "c"), (0, 1, 2)))

    found = (
        rows.Row(
            "Tiny",
            "tiny",
            "inference",
            ("reference", "default", "optimized"),
            64,
            targets=(("default", 1.5),),
        ),
        rows.Row("Tiny, labels", "tiny", "labels", ("reference", "default"), 64),
        rows.Row("Tiny, training step", "tiny", "training", ("reference", "default"), 64, batch=2),
        rows.Row("Tiny head", "tiny", "head", ("reference", "default"), 64),
    )
    monkeypatch.setitem(rows.GROUPS, "main", found)
    monkeypatch.setattr("vit_adapter.api.benchmark.sides.build", build)
    monkeypatch.setattr(running, "matrix_peak", lambda device, dtype: 10.0)


def test_every_kind_of_row_and_going_on(small, tmp_path, capsys):
    words = ["bench", "--out", str(tmp_path / "b.json"), "--repeats", "3", "--device", "cpu"]
    assert main([*words, "--page", str(tmp_path / "page.md")]) == 0
    told = capsys.readouterr().out
    assert "Tiny: 64x64 pixels, batch 1, inference" in told
    assert "ratio" in told
    assert "(target ≥ 1.5)" in told
    result = json.loads((tmp_path / "b.json").read_text())
    row = result["rows"]["Tiny"]
    assert row["sides"]["reference"]["forms"]["attention"] == {"reference": 4}
    assert row["sides"]["default"]["forms"]["attention"] == {"fused": 4}
    assert set(row["sides"]["default"]["parts"]) == {"vit", "adapter", "head"}
    assert row["agreement"]["default"]["largest_difference"] < 1e-4
    assert row["agreement"]["optimized"]["equal_labels"] > 0.999
    assert row["sides"]["reference"]["repeats"] == 3
    page = (tmp_path / "page.md").read_text()
    for text in (
        "| Tiny | 64 | 1 | optimized | float32 |",
        "Which form runs by itself",
        "| Tiny head |",
        "torch 2",
    ):
        assert text in page
    before = (tmp_path / "b.json").read_text()
    assert main([*words, "main"]) == 0
    assert capsys.readouterr().out.count("there already") == 4
    assert (tmp_path / "b.json").read_text() == before


def test_figures_of_two_machines_are_kept_apart(small, tmp_path, monkeypatch, capsys):
    words = ["bench", "head", "--out", str(tmp_path / "b.json"), "--repeats", "1", "--device", "cpu"]
    assert main(words) == 0
    monkeypatch.setattr(torch, "__version__", "9.0")
    assert main(words) == 2
    assert "measured with another torch" in capsys.readouterr().err
    (tmp_path / "b.json").write_text("[]")
    assert main(words) == 2
    assert "not a result of bench" in capsys.readouterr().err


def test_rows_by_group_and_name():
    every = rows.find_rows(["all"])
    assert len({row.name for row in every}) == len(every)
    assert rows.find_rows(["main"]) == list(rows.MAIN)
    assert [row.name for row in rows.find_rows(["labels"], 128)] == ["UperNet T, labels only, 128 pixels"]
    assert rows.find_rows(["UperNet T"]) == [rows.MAIN[0]]  # a whole name means that row alone
    for names, size, told in (
        (["nothing"], None, "no rows are named 'nothing'"),
        (["main"], 100, "multiple of 32"),
    ):
        with pytest.raises(InputError, match=told):
            rows.find_rows(names, size)
    left = list(rows.without_half_precision(every))
    assert all("bfloat16" not in row.sides for row in left)
    assert len(left) == len(every) - 2


@pytest.mark.slow
def test_memory_of_a_process_of_its_own():
    from vit_adapter.api.benchmark.memory import measure_memory

    (row,) = rows.find_rows(["UperNet T, memory"], 128)
    found = measure_memory(row, torch.device("cpu"), 1)
    sides = found["sides"]
    assert sides["bfloat16"]["weight_bytes"] < 0.6 * sides["default"]["weight_bytes"]
    assert 0 < sides["default"]["working_bytes"] < sides["default"]["peak_bytes"]
    assert set(found["ratios"]) == {"default", "bfloat16"}


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_peers_have_the_size_of_vit_b(name):
    pytest.importorskip(name.replace("smp", "segmentation_models_pytorch").split()[0])
    with torch.device("cpu" if name.startswith("smp") else "meta"):  # smp reads numbers of its tensors
        model = make_peer(name, 64)
    assert 85e6 < sum(weight.numel() for weight in model.parameters()) < 130e6
    assert not model.training


def test_a_peer_whose_package_is_missing_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(InputError, match="needs the package segmentation_models_pytorch: pip"):
        make_peer("smp UPerNet, MiT-B5", 64)
