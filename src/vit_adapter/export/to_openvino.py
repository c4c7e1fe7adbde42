"""An ONNX file as OpenVINO's own pair of files."""

from pathlib import Path
from typing import Any

from .description import METADATA_KEY, ExportDescription


def convert_to_openvino(onnx_file: str | Path, file: str | Path, description: ExportDescription) -> None:
    """Writes NAME.xml and, with the weights in float32, NAME.bin.

    Args:
        onnx_file: What ``export_onnx`` wrote.
        file: NAME.xml.
        description: What the pair is to say of itself.

    Raises:
        ModuleNotFoundError: openvino is not installed.
    """
    import openvino

    # Not openvino.convert_model, which tells its makers that it was called.
    model: Any = openvino.Core().read_model(onnx_file)
    model.set_rt_info(description.to_json(), [METADATA_KEY])
    openvino.save_model(model, file, compress_to_fp16=False)
