"""Masks in the folder of their images, as ``NAME_mask.png`` beside ``NAME.jpg``: what Roboflow exports."""

from pathlib import Path

from .pairs import Pair, SplitPart, images_below, key_of, own_apart

ENDING = "_mask"


def find_beside(folder: Path, channels: int = 3, skip_unlabelled: bool = False) -> SplitPart | None:
    """Pairs of a folder; None: no image there has a mask beside it.

    Args:
        folder: The folder.
        channels: Channels of the images.
        skip_unlabelled: Images without a mask are no problem.
    """
    if not any(folder.glob(f"*{ENDING}.*")):
        return None
    part = SplitPart()
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for path in images_below(folder, channels, part.problems):
        key = key_of(path, folder)
        known, key = (masks, key.removesuffix(ENDING)) if key.endswith(ENDING) else (images, key)
        if key in known:
            part.problems.append(f"{known[key]} and {path}: two files of one name, which one is meant?")
        else:
            known[key] = path
    if not images.keys() & masks.keys():
        return None
    for key in sorted(images.keys() | masks.keys()):
        if key not in masks:
            part.unlabelled.append(images[key])
        elif key not in images:
            part.problems.append(
                f"{masks[key]}: belongs to no image, expected {key}.jpg (or another suffix) beside it"
            )
        else:
            part.pairs.append(Pair(key, images[key], masks[key]))
    part.own_results, part.unlabelled = own_apart(part.unlabelled)
    if part.unlabelled and not skip_unlabelled:
        first, more = part.unlabelled[0], len(part.unlabelled) - 1
        part.problems.append(
            f"{first}: has no mask, expected {first.stem}{ENDING}.png beside it"
            + (f", nor have {more} further images" if more else "")
            + "; --data.skip_unlabelled true leaves out images without a mask"
        )
    return part
