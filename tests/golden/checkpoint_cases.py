"""Area 08: pretraining files loaded by ``ViTAdapter(..., pretrained=FILE)`` as the official code does."""

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from vit_adapter.weights.files import WeightsFile, read_state_dict
from vit_adapter.weights.official import square_grid
from vit_adapter.weights.pretraining import convert_uniperceiver
from vit_adapter.weights.resample import relative_position_index

from .pretrained import BEIT, PLAIN, UNIPERCEIVER, Loaded, without_indexes

DINOV2 = "vit_base_patch14_dinov2"
EXACT = {"rtol": 0, "atol": 0}


def _read(path: Path) -> tuple[dict, dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Specification, checkpoint, weights before, weights after."""
    with safe_open(path, "pt") as file:
        spec = json.loads(file.metadata()["spec"])
        parts: dict[str, dict[str, Tensor]] = {"input/ckpt.": {}, "weight/": {}, "output/": {}}
        for key in file.keys():  # noqa: SIM118 (not a dict)
            start = next(start for start in parts if key.startswith(start))
            parts[start][key.removeprefix(start)] = file.get_tensor(key)
    return spec, *parts.values()


def _written_and_read(spec: dict, checkpoint: dict[str, Tensor]) -> tuple[dict[str, Tensor], WeightsFile]:
    """The checkpoint after a way through a file, nested as the official one."""
    container = spec["container_key"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pth"
        torch.save(checkpoint if container is None else {container: checkpoint, "epoch": 3}, path)
        state, file = read_state_dict(path)
    assert file.container == (() if container is None else (container,))
    assert file.prefix == spec["key_prefix"]
    return state, file


def _compare(ours: dict[str, Tensor], theirs: dict[str, Tensor], tolerance: dict) -> None:
    assert ours.keys() == theirs.keys(), ours.keys() ^ theirs.keys()
    for name, value in theirs.items():
        assert ours[name].dtype == value.dtype, name
        torch.testing.assert_close(
            ours[name], value, **tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


def _load(
    path: Path, spec: dict, checkpoint: dict[str, Tensor], name: str, form: dict, **settings: Any
) -> Loaded:
    """The checkpoint, nested as the official one, through a file into a backbone for images of the case's size."""
    container = spec["container_key"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path.with_suffix(".pth").name
        torch.save(checkpoint if container is None else {container: checkpoint, "epoch": 3}, file)
        return Loaded(file, name, form, **settings)


def _run_loading(path: Path, name: str, form: Callable[[dict], dict]) -> None:
    spec, checkpoint, before, after = _read(path)
    _written_and_read(spec, checkpoint)
    size = spec["config"]["img_size"]
    # What a published file does not have is an error; the two odd ones need the published leniency.
    mode = "keep" if path.stem.endswith(("_quirk", "_mismatch")) else "error"
    found = _load(path, spec, checkpoint, name, form(spec["config"]), img_size=size, on_mismatch=mode)
    own = without_indexes(before)
    assert found.state.keys() == own
    assert found.used == set(spec["model_keys_loaded"])
    assert found.untouched == without_indexes(spec["model_keys_not_touched"])
    untouched = {name: found.start[name] for name in found.untouched}
    _compare({name: before[name] for name in untouched}, {name: after[name] for name in untouched}, EXACT)
    _compare({name: found.state[name] for name in untouched}, untouched, EXACT)
    used = {name: after[name] for name in found.used}
    _compare({name: found.state[name] for name in used}, used, spec["tolerance"]["output"])


def _plain(config: dict) -> dict:
    """Constructor settings of our plain ViT for an official configuration."""
    return {name: config[name] for name in ("embed_dim", "depth", "num_heads", "mlp_ratio")}


def _beit(config: dict) -> dict:
    own = ("qkv_bias", "init_values", "use_abs_pos_emb", "use_rel_pos_bias", "use_shared_rel_pos_bias")
    return {**_plain(config), **{name: config[name] for name in own}}


def run_vit(path: Path) -> None:
    """DeiT, AugReg: nothing is resampled, what broadcasts is broadcast."""
    _run_loading(path, PLAIN, _plain)


def run_beit(path: Path) -> None:
    """BEiT: tables resampled, shared table spread, other shapes passed over; and the index buffers."""
    _run_loading(path, BEIT, _beit)
    _, _, before, _ = _read(path)
    for name, index in before.items():
        if name.endswith("relative_position_index"):
            table = before[name.replace("relative_position_index", "relative_position_bias_table")]
            assert torch.equal(index, relative_position_index(square_grid(len(table)))), name


def run_beit_table(path: Path) -> None:
    """A table alone, of the size of a released file."""
    spec, checkpoint, _, after = _read(path)
    config = spec["config"]
    size = config["img_size"]
    found = _load(path, spec, checkpoint, BEIT, _beit(config), img_size=size, on_mismatch="keep")
    _compare({name: found.state[name] for name in found.used}, after, spec["tolerance"]["output"])
    assert set(found.report.resampled) == set(after)


def run_uniperceiver_converter(path: Path) -> None:
    """Names of the original Uni-Perceiver file."""
    spec, checkpoint, _, after = _read(path)
    state, _ = _written_and_read(spec, checkpoint)
    _compare(convert_uniperceiver(state), after, spec["tolerance"]["output"])
    rows, dim = after["visual_embed.patch_embed.spatial_pos_embed.weight"].shape
    form = {
        "img_size": 16 * math.isqrt(rows),
        "embed_dim": dim,
        "depth": sum(name.endswith("gamma_1") for name in after),
        "num_heads": 2,
        "mlp_ratio": after["layers.0.linear1.weight"].shape[0] // dim,
    }
    found = _load(path, spec, checkpoint, UNIPERCEIVER, form)
    unknown = set(spec["converted_keys_unknown_to_encoder"])
    assert unknown <= set(found.report.left_out)
    assert found.untouched == set(spec["encoder_keys_missing_after_conversion"])
    expected = {name: value for name, value in after.items() if name not in unknown}
    _compare(found.state, expected, spec["tolerance"]["output"])


def run_convert_14to16(path: Path) -> None:
    """DINOv2's patches of 14 pixels as 16, its layer scales renamed."""
    spec, checkpoint, _, after = _read(path)
    form = {
        "embed_dim": after["cls_token"].shape[2],
        "depth": sum(name.endswith("gamma1") for name in after),
        "num_heads": 2,
        "mlp_ratio": after["blocks.0.mlp.fc1.weight"].shape[0] // after["cls_token"].shape[2],
        "init_values": 1e-5,
    }
    size = 16 * math.isqrt(after["pos_embed"].shape[1])
    found = _load(path, spec, checkpoint, DINOV2, form, img_size=size, on_mismatch="keep")
    _compare({name: found.state[name] for name in found.used}, after, spec["tolerance"]["output"])
    assert "mask_token" in found.report.left_out


RUNNERS: dict[str, Callable[[Path], None]] = {
    "08_checkpoint__vit_": run_vit,
    "08_checkpoint__beit_": run_beit,
    "08_checkpoint__beit_table_": run_beit_table,
    "08_checkpoint__uniperceiver_converter": run_uniperceiver_converter,
    "08_checkpoint__convert_14to16": run_convert_14to16,
}
