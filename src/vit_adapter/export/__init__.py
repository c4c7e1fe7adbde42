"""Models for other runtimes: files for onnxruntime and OpenVINO, and how they are applied without torch."""

from typing import TYPE_CHECKING

from vit_adapter.config.lazy import lazy_names

if TYPE_CHECKING:
    from .description import ExportDescription, OutputKind
    from .exported_model import ExportedModel
    from .to_onnx import export_onnx
    from .to_openvino import convert_to_openvino

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ExportDescription": "description",
        "ExportedModel": "exported_model",
        "convert_to_openvino": "to_openvino",
        "OutputKind": "description",
        "export_onnx": "to_onnx",
    },
)
__all__ = ["ExportDescription", "ExportedModel", "OutputKind", "convert_to_openvino", "export_onnx"]
