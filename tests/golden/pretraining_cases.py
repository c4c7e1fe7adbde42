"""Records of ``pretraining/``: which entries of each source's file are used, and tables resampled."""

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from vit_adapter.weights.pretraining import convert_uniperceiver

from .pretrained import BEIT, UNIPERCEIVER, Loaded, names, without_indexes


def run_source(path: Path) -> None:
    """What a source's file gives to the plain encoder, what is left out, what starts by itself."""
    record = json.loads(path.read_text())
    shapes = record["checkpoint_keys"]
    found = _load({name: torch.zeros(1).expand(shape) for name, shape in shapes.items()}, record)
    assert found.used == set(record["used"])
    assert set(found.report.left_out) == set(record["left_out"])
    assert names(found.report.new) == without_indexes(record["not_in_checkpoint"])
    assert set(found.report.kept) == set(record["shape_conflicts"])
    own = {name: list(value.shape) for name, value in found.state.items()}
    assert own == {
        name: record["model_keys_at_load"][name] for name in without_indexes(record["model_keys_at_load"])
    }
    assert not found.report.broadcast
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


def _load(checkpoint: dict[str, Tensor], record: dict, **settings: Any) -> Loaded:
    """A file of these tensors in a backbone of sizes without values."""
    shapes = record["checkpoint_keys"]
    if record["timm_name"] is None:
        dim, rows = (
            shapes["layers.0.norm1.weight"][0],
            shapes["visual_embed.patch_embed.spatial_pos_embed.weight"][0],
        )
        form = {
            "img_size": 16 * math.isqrt(rows),
            "embed_dim": dim,
            "depth": sum(name.endswith("norm1.weight") for name in shapes),
            "num_heads": dim // 64,
        }
        name = UNIPERCEIVER
    else:
        name = record["timm_name"]
        form = {"depth": sum(entry.endswith("norm1.weight") for entry in checkpoint)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "checkpoint.pth"
        torch.save(checkpoint, file)
        with torch.device("meta"):
            return Loaded(file, name, form, **settings)


def _check_tables(record: dict, size: int, rows: int) -> None:
    """The tables of the first block in a model of another image size."""
    shapes = record["checkpoint_keys"]
    first = {name: torch.zeros(1).expand(shapes[name]) for name in without_indexes(shapes) if _is_first(name)}
    table = "blocks.0.attn.relative_position_bias_table"
    assert table in record["resampled"]
    side = 2 * (size // 16) - 1
    assert rows == side * side + 3
    found = _load({**first, table: torch.randn(shapes[table])}, record, img_size=size)
    assert found.state[table].shape == (rows, shapes[table][1])
    assert set(found.report.resampled) == ({table} if size != record["image_size"] else set())


def _is_first(name: str) -> bool:
    """Whether an entry is needed by a ViT of one block."""
    return name.startswith("blocks.0.") or not name.startswith("blocks.")


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
    heads = next(iter(expected.values())).shape[1]
    form = {"embed_dim": 2 * heads, "depth": len(expected), "num_heads": heads, "mlp_ratio": 1}
    size = 16 * (spec["model_side"] + 1) // 2
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "checkpoint.pth"
        torch.save(source, file)
        found = Loaded(file, BEIT, form, img_size=size, on_mismatch="keep")
    assert found.used == expected.keys()
    for name, value in expected.items():
        assert len(value) == spec["model_side"] ** 2 + spec["extra_rows"]
        torch.testing.assert_close(found.state[name], value, **spec["tolerance"]["output"])
    same = spec["model_side"] == spec["checkpoint_side"]
    assert set(found.report.resampled) == (set() if same else set(expected))


RUNNERS: dict[str, Callable[[Path], None]] = {"": run_source, "beit_table_resample__": run_table}
