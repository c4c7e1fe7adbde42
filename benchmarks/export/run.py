"""Exported files beside the model that they were made of: sizes, and times in one process, in turn.

    python benchmarks/export/run.py export [FOLDER]
    python benchmarks/export/run.py measure [FOLDER]

``export`` writes the files, with random weights, which take as long as trained ones. ``measure`` takes a few minutes
and wants the machine for itself; it writes results.json and README.md beside this file. One image of 512x512 pixels
goes through each form; rounds alternate the forms, so that a pause of the machine meets all of them, and the medians
count.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vit_adapter.api import build, export
from vit_adapter.export import convert_to_openvino
from vit_adapter.export.description import ONNX_SUFFIX, OPENVINO_SUFFIX, files_of
from vit_adapter.export.graph import open_graph

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine import describe_machine, write_json

HERE = Path(__file__).parent
MODELS = {
    "UperNet, DeiT-T": "upernet_deit_adapter_tiny_512_160k_ade20k",
    "Mask2Former, DINOv2 ViT-S": "mask2former_dinov2_adapter_small_512_ade20k",
}
FORMS = {
    "onnxruntime, fixed": "fixed.onnx",
    "onnxruntime, any size": "dynamic.onnx",
    "OpenVINO, fixed": "fixed.xml",
    "OpenVINO, any size": "dynamic.xml",
}
EAGER = "PyTorch"
SIDE, ROUNDS, SECONDS = 512, 11, 110
"""Pixels; rounds at most, and the seconds of a model after which no further round begins."""


def write_files(folder: Path) -> None:
    """Exports every model in every form; what is there stays."""
    for recipe in MODELS.values():
        for name in FORMS.values():
            file = folder / f"{recipe}-{name}"
            if file.exists():
                continue
            begin = time.monotonic()
            if file.suffix == OPENVINO_SUFFIX:  # made of the ONNX file, as ``export`` does
                onnx_file = file.with_suffix(ONNX_SUFFIX)
                convert_to_openvino(onnx_file, file, open_graph(onnx_file)[1])
            else:
                torch.manual_seed(0)
                report = export(build(recipe).eval(), file, dynamic=name.startswith("dynamic"))
                print(report.agreement)
            print(f"{file}: {time.monotonic() - begin:.0f} s", flush=True)


def measure(recipe: str, folder: Path) -> dict[str, Any]:
    """Sizes, seconds and the largest difference of each form of a model."""
    torch.manual_seed(0)
    model = build(recipe).eval()
    images = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))

    def eager() -> np.ndarray:
        with torch.inference_mode():
            return model(images).numpy()

    def exported(file: Path) -> Callable[[], np.ndarray]:
        graph, _ = open_graph(file, processor_only=True)
        return lambda: graph.run(images.numpy())[0]

    runs = {EAGER: eager} | {form: exported(folder / f"{recipe}-{name}") for form, name in FORMS.items()}
    expected = eager()
    differences = {
        form: float(np.abs(run() - expected).max() / np.abs(expected).max()) for form, run in runs.items()
    }
    times: dict[str, list[float]] = {form: [] for form in runs}
    begin = time.monotonic()
    for _ in range(ROUNDS):
        for form, run in runs.items():
            start = time.perf_counter()
            run()
            times[form].append(time.perf_counter() - start)
        if time.monotonic() - begin > SECONDS:
            break
    files = {form: files_of(folder / f"{recipe}-{name}") for form, name in FORMS.items()}
    sizes = {form: sum(file.stat().st_size for file in pair) / 1e6 for form, pair in files.items()}
    sizes[EAGER] = sum(weight.numel() * weight.element_size() for weight in model.state_dict().values()) / 1e6
    ratios = {
        form: statistics.median(ours / theirs for ours, theirs in zip(times[EAGER], own, strict=True))
        for form, own in times.items()
    }
    return {
        form: {
            "megabytes": round(sizes[form], 1),
            "milliseconds": round(1000 * statistics.median(own), 1),
            "times_as_fast": round(ratios[form], 2),
            "rounds": len(own),
            "difference": float(f"{differences[form]:.1e}"),
        }
        for form, own in times.items()
    }


def write_page(results: dict[str, Any]) -> None:
    """README.md from the results."""
    machine = results["machine"]
    lines = [
        "# Exported files",
        "",
        f"One image of {SIDE}x{SIDE} pixels, 150 classes, random weights, float32, on the processor: PyTorch as",
        "`predict` runs it, the ONNX file by onnxruntime, and OpenVINO's pair of files; each for a fixed size and for",
        "any. All forms run in one process, in turn; times are medians, and the last column is the median of PyTorch's",
        "time over that of the form in the same round. Made by `python benchmarks/export/run.py`.",
        "",
        "| model | form | MB | ms | largest difference | times as fast as PyTorch |",
        "|---|---|---|---|---|---|",
    ]
    for title, recipe in MODELS.items():
        for form, row in results["models"].get(recipe, {}).items():
            cells = (title, form, row["megabytes"], f"{row['milliseconds']:.0f}", f"{row['difference']:.0e}")
            lines.append(f"| {' | '.join(map(str, cells))} | {row['times_as_fast']:.2f} |")
    rounds = [row["rounds"] for model in results["models"].values() for row in model.values()]
    lines += [
        "",
        f"Rounds: {min(rounds)} to {max(rounds)}. Machine: {machine['processor']} ({', '.join(machine['flags'])}), "
        f"{machine['cores']} cores, {machine['threads']} thread(s); torch {machine['torch']}, onnxruntime "
        f"{results['onnxruntime']}, OpenVINO {results['openvino']}; load {machine['load']} when it began.",
        "Every form takes all cores.",
    ]
    (HERE / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Exports, or measures."""
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else "runs/export")
    if what == "export":
        write_files(folder)
    elif what == "measure":
        torch.set_num_threads(os.cpu_count() or 1)  # as many as the runtimes take by themselves
        results: dict[str, Any] = {
            "machine": describe_machine(),
            "onnxruntime": version("onnxruntime"),
            "openvino": version("openvino"),
            "models": {},
        }
        for recipe in MODELS.values():
            if not all((folder / f"{recipe}-{name}").exists() for name in FORMS.values()):
                print(f"{recipe}: its files are not all in {folder}, left out")
                continue
            results["models"][recipe] = measure(recipe, folder)
            print(recipe, results["models"][recipe], flush=True)
            write_json(HERE / "results.json", results)
        write_page(results)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
