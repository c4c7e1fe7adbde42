"""Models for other runtimes: writing ONNX files, and applying them by onnxruntime alone, without torch."""

from typing import TYPE_CHECKING

from vit_adapter.config.lazy import lazy_names

if TYPE_CHECKING:
    from .description import ExportDescription, OutputKind
    from .onnx_model import OnnxModel
    from .to_onnx import export_onnx

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ExportDescription": "description",
        "OnnxModel": "onnx_model",
        "OutputKind": "description",
        "export_onnx": "to_onnx",
    },
)
__all__ = ["ExportDescription", "OnnxModel", "OutputKind", "export_onnx"]
