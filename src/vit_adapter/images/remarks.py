"""Remarks about image files that could be read: collected, so that thousands of files give one line."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from .value_range import DARK, proposed_white

MOST_OUTSIDE = 0.01  # hot pixels may be
SHOWN = 3  # files named in a line


@dataclass
class ImageRemarks:
    """Findings about images.

    Attributes:
        several: File to number of images in it, where there are more than the first, which is read.
        sixteen: File to its largest value, of 16-bit photos of which nothing says what white is.
        outside: File to the share of its values, 0..1, that a given range cuts off.
    """

    several: dict[str, int] = field(default_factory=dict)
    sixteen: dict[str, int] = field(default_factory=dict)
    outside: dict[str, float] = field(default_factory=dict)

    def add(self, others: Iterable["ImageRemarks"]) -> "ImageRemarks":
        """Takes over the findings of others; returns itself."""
        for other in others:
            self.several.update(other.several)
            self.sixteen.update(other.sixteen)
            self.outside.update(other.outside)
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
        lines += self._dark_lines()
        cut = {file: share for file, share in self.outside.items() if share > MOST_OUTSIDE}
        if cut:
            files = _some(f"{file} ({share:.0%})" for file, share in cut.items())
            lines.append(
                f"{len(cut)} of {len(self.outside)} images have values outside the range that was named, which become "
                f"black or white: {files}"
            )
        return lines

    def _dark_lines(self) -> list[str]:
        # A black frame says nothing.
        dark = {file: largest for file, largest in self.sixteen.items() if 0 < largest < DARK}
        if not dark:
            return []
        largest = max(self.sixteen.values())
        line = (
            f"{len(dark)} of {len(self.sixteen)} 16-bit images are nearly black (largest value {max(dark.values())} of "
            f"65535): {_some(dark)}"
        )
        if largest < DARK:
            white = proposed_white(largest)
            line += (
                f'; if white is {white} in them, set --data.value_range "[0, {white}]" for training (it is stored with '
                f'the model), of predict --protocol.value_range "[0, {white}]"'
            )
        return [line]


def _some(texts: Iterable[str]) -> str:
    texts = list(texts)
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more
