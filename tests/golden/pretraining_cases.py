"""Records of ``pretraining/``: which entries of each source's file are used, and tables resampled."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from vit_adapter.weights.official import DERIVED
from vit_adapter.weights.pretraining import (
    convert_uniperceiver,
    load_official_beit,
    load_official_uniperceiver,
    load_official_vit,
)

_LOADERS = {
    "non-strict copy": load_official_vit,
    "resampling loader": load_official_beit,
    "generic non-strict loader": load_official_uniperceiver,
}


def _meta(shapes: dict[str, list[int]]) -> dict[str, Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def run_source(path: Path) -> None:
    """What a source's file gives to the plain encoder, what is left out, what starts by itself."""
    record = json.loads(path.read_text())
    load = next(loader for start, loader in _LOADERS.items() if record["loader"].startswith(start))
    target, checkpoint = _meta(record["model_keys_at_load"]), _meta(record["checkpoint_keys"])
    chosen, report = load(target, checkpoint)
    assert set(chosen) == set(record["used"])
    assert set(report.left_out) == set(record["left_out"])
    assert set(report.new) == set(record["not_in_checkpoint"])
    assert set(report.kept) == set(record["shape_conflicts"])
    assert not report.broadcast
    for old, new in record.get("original_to_converted_names", []):
        # Whole names and parts of names; behind a part, any rest.
        ours = set(convert_uniperceiver({_original(old): torch.zeros(1)}))
        assert ours == {_original(old).replace(old, new)}, (old, ours)
    for size, rows in record.get("table_rows_by_model_image_size", {}).items():
        _check_tables(record, int(size), rows)


def _original(part: str) -> str:
    """A name of the original file in which a recorded change of names is seen alone."""
    examples = {
        "fused_encoder.": "fused_encoder.layers.0.norm1.weight",
        "in_proj_": "layers.0.self_attn.in_proj_weight",
        "video_embed.": "video_embed.embeddings_norm.weight",
    }
    return examples.get(part, part)


def _check_tables(record: dict, size: int, rows: int) -> None:
    """The tables of the first block in a model of another image size."""
    first = {
        name: shape for name, shape in record["model_keys_at_load"].items() if name.startswith("blocks.0.")
    }
    first = {name: shape for name, shape in first.items() if not name.endswith(DERIVED)}
    table = "blocks.0.attn.relative_position_bias_table"
    assert table in record["resampled"]
    side = 2 * (size // 16) - 1
    assert rows == side * side + 3
    target = _meta({**first, table: [rows, first[table][1]]})
    source = {**_meta(first), table: torch.randn(first[table])}
    chosen, report = load_official_beit(target, source)
    assert chosen[table].shape == (rows, first[table][1])
    assert set(report.resampled) == ({table} if size != record["image_size"] else set())


def run_table(path: Path) -> None:
    """Relative position tables of one image size in a model of another."""
    with safe_open(path, "pt") as file:
        spec = json.loads(file.metadata()["spec"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    source = {
        key.removeprefix("checkpoint/"): value
        for key, value in tensors.items()
        if key.startswith("checkpoint/")
    }
    expected = {
        key.removeprefix("output/"): value for key, value in tensors.items() if key.startswith("output/")
    }
    rows = spec["model_side"] ** 2 + spec["extra_rows"]
    target = {name: torch.zeros(rows, value.shape[1]) for name, value in expected.items()}
    chosen, report = load_official_beit(target, source)
    assert chosen.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(chosen[name], value, **spec["tolerance"]["output"])
    same = spec["model_side"] == spec["checkpoint_side"]
    assert set(report.resampled) == (set() if same else set(expected))


RUNNERS: dict[str, Callable[[Path], None]] = {"": run_source, "beit_table_resample__": run_table}
