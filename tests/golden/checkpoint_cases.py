"""Area 08: pretraining files loaded as the official code does, through files on disk."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from vit_adapter.weights.files import WeightsFile, read_state_dict
from vit_adapter.weights.load import load_into
from vit_adapter.weights.official import square_grid
from vit_adapter.weights.pretraining import (
    convert_dinov2,
    convert_uniperceiver,
    load_official_beit,
    load_official_vit,
)
from vit_adapter.weights.report import LoadReport
from vit_adapter.weights.resample import relative_position_index


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


def _run_loading(path: Path, load: Callable[..., tuple[dict[str, Tensor], LoadReport]]) -> None:
    spec, checkpoint, before, after = _read(path)
    state, file = _written_and_read(spec, checkpoint)
    chosen, report = load(before, state, file)
    result = {**before, **chosen}
    _compare(result, after, spec["tolerance"]["output"])
    touched = {*report.loaded, *report.resampled, *report.broadcast}
    assert touched == set(spec["model_keys_loaded"])
    assert {*report.kept, *report.new} == set(spec["model_keys_not_touched"])
    # The same in place.
    in_place = {name: value.clone() for name, value in before.items()}
    load_into(in_place, chosen, allow_missing=("*",))
    _compare(in_place, result, {"rtol": 0, "atol": 0})


def run_vit(path: Path) -> None:
    """DeiT, AugReg: nothing is resampled, what broadcasts is broadcast."""
    _run_loading(path, load_official_vit)


def run_beit(path: Path) -> None:
    """BEiT: tables resampled, shared table spread, other shapes passed over; and the index buffers."""
    _run_loading(path, load_official_beit)
    _, _, before, _ = _read(path)
    for name, index in before.items():
        if name.endswith("relative_position_index"):
            table = before[name.replace("relative_position_index", "relative_position_bias_table")]
            assert torch.equal(index, relative_position_index(square_grid(len(table)))), name


def run_beit_table(path: Path) -> None:
    """A table alone, of the size of a released file."""
    spec, checkpoint, _, after = _read(path)
    config = spec["config"]
    side = 2 * (config["img_size"] // config["patch_size"]) - 1
    target = {name: torch.zeros(side * side + 3, config["num_heads"]) for name in checkpoint}
    state, file = _written_and_read(spec, checkpoint)
    chosen, report = load_official_beit(target, state, file)
    _compare(chosen, after, spec["tolerance"]["output"])
    assert set(report.resampled) == set(after)


def run_uniperceiver_converter(path: Path) -> None:
    """Names of the original Uni-Perceiver file."""
    spec, checkpoint, _, after = _read(path)
    state, _ = _written_and_read(spec, checkpoint)
    _compare(convert_uniperceiver(state), after, spec["tolerance"]["output"])


def run_convert_14to16(path: Path) -> None:
    """DINOv2's patches of 14 pixels as 16, its layer scales renamed."""
    spec, checkpoint, _, after = _read(path)
    _compare(convert_dinov2(checkpoint), after, spec["tolerance"]["output"])


RUNNERS: dict[str, Callable[[Path], None]] = {
    "08_checkpoint__vit_": run_vit,
    "08_checkpoint__beit_": run_beit,
    "08_checkpoint__beit_table_": run_beit_table,
    "08_checkpoint__uniperceiver_converter": run_uniperceiver_converter,
    "08_checkpoint__convert_14to16": run_convert_14to16,
}
