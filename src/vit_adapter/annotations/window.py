"""The part of an image that is cut out of it."""

from typing import NamedTuple


class Window(NamedTuple):
    """A rectangle of whole pixels; what a crop takes, or a model sees at once.

    Attributes:
        top: First row.
        left: First column.
        height: Number of rows.
        width: Number of columns.
    """

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """The row after the last one."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The column after the last one."""
        return self.left + self.width

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """(top, left, bottom, right), ends exclusive."""
        return self.top, self.left, self.bottom, self.right

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an array or a tensor [..., H, W] with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)
