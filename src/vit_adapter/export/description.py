"""What an exported file says of itself: everything that applying it needs besides the graph. No torch here."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from vit_adapter.config import (
    ClassTable,
    InferenceConfig,
    InputError,
    ScoresAre,
    TaskName,
    from_plain,
    to_plain,
)
from vit_adapter.config.backbone import COARSEST_STRIDE
from vit_adapter.config.box_rule import BoxRule
from vit_adapter.images import multiple_size

OutputKind = Literal["scores", "labels", "queries", "boxes"]
"""What the graph gives: "scores" float32 [B, K, H, W]; "labels" uint8 (uint16 for more than 255 classes) [B, H, W];
"queries" float32 class logits [B, Q, K + 1] and mask logits [B, Q, H/4, W/4]; "boxes" float32 scores [B, N, K] (0..1)
and boxes [B, N, 4] (left, top, right, bottom in pixels) of N candidates, of ATSS centerness [B, N] (0..1), too."""
ONNX_SUFFIX, OPENVINO_SUFFIX = ".onnx", ".xml"
EXPORTED_SUFFIXES = (ONNX_SUFFIX, OPENVINO_SUFFIX)
"""Of files that ``export`` writes."""

METADATA_KEY = "vit_adapter"
"""Entry of the file's metadata that holds the description as JSON."""
FORMAT_VERSION = 1


@dataclass(frozen=True)
class ExportDescription:
    """What travels in an exported file.

    Attributes:
        classes: The classes.
        protocol: How the model is applied to an image, its normalisation among it.
        channels: Channels of the images.
        scores_are: What scores are, before a softmax.
        output: What the graph gives.
        size: (height, width) in pixels of the only size that the graph takes; None: any multiples of 32.
        least_side: Smallest side in pixels that the graph takes, where it takes any.
        task: What the model is for, of those tasks that the graph's output is enough for; None: not said.
        vit: Name of the ViT, for people.
        boxes: How detections are chosen from the candidates, of a graph that gives boxes.
    """

    classes: ClassTable
    protocol: InferenceConfig
    channels: int
    scores_are: ScoresAre
    output: OutputKind
    size: tuple[int, int] | None
    vit: str = ""
    boxes: BoxRule | None = None
    least_side: int = COARSEST_STRIDE
    task: TaskName | None = None

    def to_json(self) -> str:
        """One line of JSON."""
        values = {
            "version": FORMAT_VERSION,
            "classes": self.classes.to_dict(),
            "protocol": to_plain(self.protocol),
            "channels": self.channels,
            "scores_are": self.scores_are,
            "output": self.output,
            "size": None if self.size is None else list(self.size),
            "vit": self.vit,
            "least_side": self.least_side,
            "task": self.task,
        }
        if self.boxes is not None:
            values["boxes"] = to_plain(self.boxes)
        return json.dumps(values, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, where: str) -> "ExportDescription":
        """What ``to_json`` wrote.

        Args:
            text: The JSON.
            where: Name of the file, for messages.

        Raises:
            InputError: It is damaged, or was written by a later version.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            version = values["version"]
            if version != FORMAT_VERSION:
                raise InputError(
                    f"{where}: a description of version {version}, this vit-adapter knows {FORMAT_VERSION}"
                )
            if values["output"] not in get_args(OutputKind):
                raise InputError(
                    f"{where}: gives {values['output']!r}, expected one of {', '.join(get_args(OutputKind))}"
                )
            size = values["size"]
            return cls(
                ClassTable.from_dict(values["classes"]),
                from_plain(InferenceConfig, values["protocol"], where),
                int(values["channels"]),
                values["scores_are"],
                values["output"],
                None if size is None else (int(size[0]), int(size[1])),
                str(values.get("vit", "")),
                from_plain(BoxRule, values["boxes"], where) if values["output"] == "boxes" else None,
                int(values.get("least_side", COARSEST_STRIDE)),
                values.get("task"),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{where}: its description cannot be read ({error!r})") from None


def files_of(file: Path) -> list[Path]:
    """The files of an exported model: NAME.xml has its weights in NAME.bin beside it."""
    return [file, file.with_suffix(".bin")] if file.suffix.lower() == OPENVINO_SUFFIX else [file]


def seen_size(description: ExportDescription, window: tuple[int, int]) -> tuple[int, int]:
    """(height, width) that a graph is given for a window of (height, width), which may be smaller."""
    if description.size is not None:
        return description.size
    height, width = multiple_size(window, COARSEST_STRIDE)
    return max(height, description.least_side), max(width, description.least_side)
