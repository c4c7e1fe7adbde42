"""The legend of a sheet of several images: classes in their colours."""

from collections.abc import Collection, Sequence

from .legend import LegendEntry

LARGEST_LEGEND = 40
"""Classes; beyond it only those that occur are named."""


def class_legend(
    names: Sequence[str],
    colours: Sequence[Sequence[int]],
    seen: Collection[int],
    coloured_objects: bool = False,
) -> list[LegendEntry]:
    """Entries for all classes, or for those that occur where there are many.

    Args:
        names: Of all K classes.
        colours: RGB of each, 0..255.
        seen: Labels that the images of the sheet show; others than 0..K-1 are left out.
        coloured_objects: Whether objects of a single class have colours of their own, as ``Result.on_sheet`` draws
            them; the class has none then.
    """
    without = coloured_objects and len(names) == 1
    return [
        LegendEntry(name, None if without else tuple(colour), fallback=f"class {label}")
        for label, (name, colour) in enumerate(zip(names, colours, strict=True))
        if label in seen or len(names) <= LARGEST_LEGEND
    ]
