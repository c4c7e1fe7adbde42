"""What is to be known about image files that could be read: collected, so that thousands of files give one line."""

from collections.abc import Iterable
from dataclasses import dataclass, field

SHOWN = 3  # files named in a line


@dataclass
class ImageRemarks:
    """Findings about images.

    Attributes:
        several: File to number of images in it, where there are more than the first, which is read.
    """

    several: dict[str, int] = field(default_factory=dict)

    def add(self, others: Iterable["ImageRemarks"]) -> "ImageRemarks":
        """Takes over the findings of others; returns itself."""
        for other in others:
            self.several.update(other.several)
        return self

    def lines(self) -> list[str]:
        """A line for each kind of finding, with the number of files and the first of them."""
        lines = []
        if len(self.several) == 1:
            ((file, count),) = self.several.items()
            lines.append(f"{file}: holds {count} images (pages or frames), of which the first is read")
        elif self.several:
            files = _some(f"{file} ({count})" for file, count in self.several.items())
            lines.append(
                f"{len(self.several)} files hold several images (pages or frames), of which the first is read: {files}"
            )
        return lines


def _some(texts: Iterable[str]) -> str:
    texts = list(texts)
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more
