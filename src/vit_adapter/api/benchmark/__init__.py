"""Time and memory of our forms of operators beside the reference forms, in one process."""

from .page import page_lines, table_lines
from .running import bench

__all__ = ["bench", "page_lines", "table_lines"]
