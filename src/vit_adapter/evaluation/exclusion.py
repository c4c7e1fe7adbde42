"""Classes that the means over classes leave out."""

import difflib
from collections.abc import Sequence

from vit_adapter.config import InputError
from vit_adapter.data.sample import AnnotatedImages
from vit_adapter.segmenter import Segmenter


def labels_left_out(
    wanted: Sequence[str | int], model: Segmenter, dataset: AnnotatedImages | None
) -> frozenset[int]:
    """Labels of the classes that no mean takes in: those that were asked for, and those whose pixels are all void.

    Args:
        wanted: Names or mask values, as ``evaluation.exclude_from_mean`` holds them.
        model: With ``class_names`` and, for mask values, ``classes``.
        dataset: Its ``void_labels`` are the classes that its settings declare void.

    Raises:
        InputError: A name or mask value is none of the model's, or no class is left.
    """
    names = list(model.class_names)
    table = getattr(model, "classes", None)
    ids = list(range(len(names))) if table is None else list(table.ids)
    left_out: set[int] = set(getattr(dataset, "void_labels", ()))
    for entry in wanted:
        if entry in names:
            left_out.add(names.index(entry))
        elif str(entry).isdecimal() and int(entry) in ids:
            left_out.add(ids.index(int(entry)))
        else:
            near = difflib.get_close_matches(str(entry), names, n=1)
            known = f"did you mean {near[0]!r}?" if near else f"the classes are {_some(names, ids)}"
            raise InputError(
                f"--evaluation.exclude_from_mean: {entry!r} is neither the name nor the mask value of a class; {known}"
            )
    if wanted and len(left_out) == len(names):
        raise InputError("--evaluation.exclude_from_mean: leaves out every class, so there is no mean")
    return frozenset(left_out)


def _some(names: Sequence[str], ids: Sequence[int]) -> str:
    pairs = [f"{id_} ({name})" for id_, name in zip(ids, names)]
    return ", ".join(pairs[:8]) + (" ..." if len(pairs) > 8 else "")
