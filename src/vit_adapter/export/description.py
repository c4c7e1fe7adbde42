"""What an exported file says of itself: everything that applying it needs besides the graph. No torch here."""

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

from vit_adapter.config import ClassTable, InferenceConfig, InputError, ScoresAre, from_plain, to_plain

OutputKind = Literal["scores", "labels", "queries"]
"""What the graph gives: "scores" float32 [B, K, H, W]; "labels" uint8 (uint16 for more than 255 classes) [B, H, W];
"queries" float32 class logits [B, Q, K + 1] and mask logits [B, Q, H/4, W/4]."""

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
        vit: Name of the ViT, for people.
    """

    classes: ClassTable
    protocol: InferenceConfig
    channels: int
    scores_are: ScoresAre
    output: OutputKind
    size: tuple[int, int] | None
    vit: str = ""

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
        }
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
                raise InputError(f"{where}: gives {values['output']!r}, expected scores, labels or queries")
            size = values["size"]
            return cls(
                ClassTable.from_dict(values["classes"]),
                from_plain(InferenceConfig, values["protocol"], where),
                int(values["channels"]),
                values["scores_are"],
                values["output"],
                None if size is None else (int(size[0]), int(size[1])),
                str(values.get("vit", "")),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{where}: its description cannot be read ({error!r})") from None
