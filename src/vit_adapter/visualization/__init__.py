"""Images out: palettes, overlays with a legend, contact sheets, curves and confusion matrices."""

from .class_legend import class_legend
from .confusion import plot_confusion
from .contact_sheet import contact_sheet
from .curves import plot_curves
from .legend import LegendEntry
from .overlay import colorize, overlay, overlay_image
from .palette import default_palette

__all__ = [
    "LegendEntry",
    "class_legend",
    "colorize",
    "contact_sheet",
    "default_palette",
    "overlay",
    "overlay_image",
    "plot_confusion",
    "plot_curves",
]
