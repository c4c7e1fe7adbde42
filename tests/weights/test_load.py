"""What goes where, and what the report says."""

import pytest
import torch
from rich.console import Console

from vit_adapter.config import InputError
from vit_adapter.weights.load import fit_state
from vit_adapter.weights.report import LoadReport, compact


def _model() -> dict[str, torch.Tensor]:
    return {
        "backbone.level_embedding": torch.zeros(3, 4),
        "backbone.norms.0.weight": torch.zeros(4),
        "backbone.norms.0.num_batches_tracked": torch.tensor(0),
        "head.classifier.weight": torch.zeros(5, 4, 1, 1),
    }


def _file() -> dict[str, torch.Tensor]:
    return {name: torch.full_like(value, 2) for name, value in _model().items()}


def test_everything_fits():
    model = _model()
    chosen, report = fit_state(model, _file())
    assert report.complete
    assert chosen.keys() == model.keys()
    assert all(bool((value == 2).all()) for value in chosen.values())
    assert report.rows() == []


def test_types_are_those_of_the_model():
    chosen, _ = fit_state(_model(), {name: value.double() for name, value in _file().items()})
    assert chosen["backbone.level_embedding"].dtype == torch.float32
    assert chosen["backbone.norms.0.num_batches_tracked"].dtype == torch.int64


@pytest.mark.parametrize("prefix", ["module.", "model.", "backbone.", "model.backbone."])
def test_known_prefixes(prefix):
    chosen, report = fit_state(_model(), {prefix + name: value for name, value in _file().items()})
    assert report.complete
    assert set(chosen) == set(_model())
    assert prefix in report.notes[0]


def test_a_backbone_saved_alone_finds_its_place():
    source = {"level_embedding": torch.ones(3, 4), "norms.0.weight": torch.ones(4)}
    chosen, report = fit_state(_model(), source, on_mismatch="keep")
    assert set(chosen) == {"backbone.level_embedding", "backbone.norms.0.weight"}
    assert "'backbone.' was put before every name" in report.notes


def test_nothing_matches():
    source = {f"xyz.{name}": value for name, value in _file().items()}
    for mode in ("error", "keep"):
        with pytest.raises(InputError) as error:
            fit_state(_model(), source, on_mismatch=mode)
        assert "0 of 4 tensors matched" in str(error.value)
        assert "'xyz.backbone.level_embedding'" in str(error.value)
        assert "'backbone.level_embedding'" in str(error.value)
        assert "\n" not in str(error.value)


def test_differences_are_an_error():
    source = _file()
    source["head.classifier.weight"] = torch.ones(7, 4, 1, 1)
    del source["backbone.norms.0.weight"]
    source["surplus"] = torch.ones(1)
    with pytest.raises(InputError) as error:
        fit_state(_model(), source)
    text = str(error.value)
    assert (
        "1 of another shape, first head.classifier.weight (7 x 4 x 1 x 1 in the file, 5 x 4 x 1 x 1 in"
        in text
    )
    assert "1 missing: backbone.norms.0.weight" in text
    assert "1 unknown: surplus" in text


def test_differences_are_kept_and_told():
    source = _file()
    source["head.classifier.weight"] = torch.ones(7, 4, 1, 1)
    del source["backbone.norms.0.weight"]
    source["surplus"] = torch.ones(1)
    chosen, report = fit_state(_model(), source, on_mismatch="keep")
    assert set(report.kept) == {"head.classifier.weight"}
    assert report.new == ("backbone.norms.0.weight",)
    assert report.left_out == ("surplus",)
    assert report.loaded == ("backbone.level_embedding", "backbone.norms.0.num_batches_tracked")
    assert set(chosen) == set(report.loaded)
    assert "2 of 4 tensors loaded" in str(report)


def test_allowed_differences():
    source = _file()
    del source["backbone.norms.0.weight"]
    source["surplus"] = torch.ones(1)
    _, report = fit_state(_model(), source, allow_missing=("backbone.norms.*",), allow_unused=("sur*",))
    assert report.new == ("backbone.norms.0.weight",)
    with pytest.raises(InputError, match="1 missing"):
        fit_state(_model(), source, allow_missing=("head.*",), allow_unused=("sur*",))


def test_broadcasting_only_on_request():
    source = {**_file(), "backbone.level_embedding": torch.tensor([[1.0, 2, 3, 4]])}
    with pytest.raises(InputError, match="1 of another shape"):
        fit_state(_model(), source)
    chosen, report = fit_state(_model(), source, broadcast=True)
    assert chosen["backbone.level_embedding"].tolist() == [[1, 2, 3, 4]] * 3
    assert report.broadcast == {"backbone.level_embedding": "1 x 4 to 3 x 4"}
    # A larger tensor does not broadcast to a smaller one.
    source["backbone.level_embedding"] = torch.zeros(2, 3, 4)
    with pytest.raises(InputError, match="1 of another shape"):
        fit_state(_model(), source, broadcast=True)


def test_names_are_drawn_together():
    names = [f"blocks.{i}.ls{j}.gamma" for i in range(12) for j in (1, 2)] + ["norm.bias"]
    assert compact(names) == "blocks.*.ls1.gamma (12), blocks.*.ls2.gamma (12), norm.bias"
    assert compact([chr(97 + i) for i in range(10)], 2) == "a, b and 8 more kinds"


def test_report_is_drawn_with_rich():
    report = LoadReport(
        "a[b].pth", 3, loaded=("x",), kept={"y": "2 in the file, 3 in the model"}, new=("z[0]",)
    )
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(report)
    text = console.export_text()
    for part in ("a[b].pth: 1 of 3 tensors loaded", "y: 2 in the file, 3 in the model", "z[0]"):
        assert part in text
