"""An exported file that is run: by onnxruntime, or by OpenVINO. No torch here."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vit_adapter.config import InputError
from vit_adapter.config.counting import counted

from .description import METADATA_KEY, ONNX_SUFFIX, OPENVINO_SUFFIX, ExportDescription


class Graph(Protocol):
    """A file that takes images and gives arrays."""

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        """The outputs for float32 [B, C, H, W], in the order of the file.

        Raises:
            InputError: The runtime cannot do it.
        """
        ...

    @property
    def metadata(self) -> str | None:
        """What was written into the file beside the graph; None: nothing of vit-adapter."""
        ...


class OnnxGraph:
    """A file NAME.onnx.

    Args:
        file: The file.
        processor_only: Leave out accelerators that onnxruntime was built for.

    Raises:
        InputError: onnxruntime cannot read it.
        ModuleNotFoundError: onnxruntime is not installed.
    """

    def __init__(self, file: Path, processor_only: bool = False) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        providers = ["CPUExecutionProvider"] if processor_only else onnxruntime.get_available_providers()
        try:
            self._session: Any = onnxruntime.InferenceSession(str(file), options, providers=providers)
        except Exception as error:  # onnxruntime has no base class of its own errors
            raise _unreadable(file, "onnxruntime", error) from None
        self._file = file
        self.metadata: str | None = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        """See ``Graph``."""
        try:
            return self._session.run(None, {"images": images})
        except Exception as error:
            raise _not_run(self._file, "onnxruntime", images, error) from None


class OpenVINOGraph:
    """A file NAME.xml with its weights in NAME.bin.

    Args:
        file: The file.
        processor_only: Leave out accelerators that OpenVINO finds.

    Raises:
        InputError: OpenVINO cannot read it.
        ModuleNotFoundError: openvino is not installed.
    """

    def __init__(self, file: Path, processor_only: bool = False) -> None:
        import openvino

        try:
            core = openvino.Core()
            model = core.read_model(file)
            # In float32 on every processor: where bfloat16 is fast, it would be taken unasked.
            settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
            alone = processor_only or core.available_devices == ["CPU"]
            self._model: Any = core.compile_model(model, "CPU" if alone else "AUTO", settings)
        except Exception as error:  # RuntimeError of several kinds
            raise _unreadable(file, "OpenVINO", error) from None
        self._file = file
        known = model.has_rt_info([METADATA_KEY])
        self.metadata: str | None = model.get_rt_info([METADATA_KEY]).astype(str) if known else None

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        """See ``Graph``."""
        try:
            found = self._model({"images": images})
        except Exception as error:
            raise _not_run(self._file, "OpenVINO", images, error) from None
        return [np.asarray(found[output]) for output in self._model.outputs]


def open_graph(file: str | Path, processor_only: bool = False) -> tuple[Graph, ExportDescription]:
    """An exported file and what it says of itself.

    Args:
        file: NAME.onnx or NAME.xml.
        processor_only: Leave out accelerators.

    Raises:
        InputError: It cannot be read, or was not written by vit-adapter.
        ModuleNotFoundError: The runtime is not installed.
    """
    file = Path(file)
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    graphs = {ONNX_SUFFIX: OnnxGraph, OPENVINO_SUFFIX: OpenVINOGraph}
    kind = graphs.get(file.suffix.lower())
    if kind is None:
        raise InputError(f"{file}: expected a name that ends with {' or '.join(graphs)}")
    graph = kind(file, processor_only)
    if graph.metadata is None:
        raise InputError(f"{file}: not written by vit-adapter export, so that its classes are unknown")
    return graph, ExportDescription.from_json(graph.metadata, str(file))


def _unreadable(file: Path, runtime: str, error: Exception) -> InputError:
    return InputError(f"{file}: {runtime} cannot read it ({_shortened(error)})")


def _not_run(file: Path, runtime: str, images: np.ndarray, error: Exception) -> InputError:
    count, _, height, width = images.shape
    return InputError(
        f"{file}: {runtime} cannot run it on {counted(count, 'image')} of {width}x{height} pixels ({_shortened(error)})"
    )


def _shortened(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
