"""Records of area 29 about sizes and padding of test images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from vit_adapter.config import Normalization
from vit_adapter.images import multiple_size, normalize, pad, resize_image, short_side_size

from .case import Case
from .comparison import check_outputs


def _image(case: Case, name: str) -> np.ndarray:
    return case.stored_inputs[name].numpy().astype(np.uint8)


def _exact_sizes(case: Case, name: str, size: tuple[int, int], columns: slice) -> None:
    assert case.outputs[name][columns].tolist() == list(size), name


def run_padding(path: Path) -> None:
    """Padding before and after normalisation; labels are padded with 255."""
    case = Case(path)
    settings = case.config["norm"]
    normalization = Normalization(tuple(settings["mean"]), tuple(settings["std"]))
    photo = _image(case, "img_bgr")[..., ::-1]
    labels = case.stored_inputs["seg"].numpy()
    height, width = photo.shape[:2]
    size = max(height, case.config["size"]), max(width, case.config["size"])
    both = {
        "test_pad_then_normalize": normalize(pad(photo, size, 0), normalization),
        "train_normalize_then_pad": pad(normalize(photo, normalization), size, 0),
    }
    ours: dict[str, torch.Tensor] = {}
    for name, image in both.items():
        ours[f"{name}.img"] = torch.from_numpy(np.ascontiguousarray(image))
        ours[f"{name}.seg"] = torch.from_numpy(pad(labels, size, 255))
        ours[f"{name}.img_shape"] = torch.tensor((height, width, 3))
        ours[f"{name}.pad_shape"] = torch.tensor((*size, 3))
    check_outputs(case, ours)


def run_multiple(path: Path) -> None:
    """Each side is stretched up to the next multiple."""
    case = Case(path)
    for name, value in case.stored_inputs.items():
        number = name.split(".")[1]
        old = tuple(value.shape[:2]) if value.ndim == 3 else tuple(value.tolist())
        size = multiple_size(old, case.config["size_divisor"])
        _exact_sizes(case, f"img_shape.{number}", size, slice(0, 2))
        _exact_sizes(case, f"size.{number}", size, slice(0, 2))
        if value.ndim == 3:
            difference = resize_image(_image(case, name), size) - case.outputs[f"img.{number}"].numpy()
            assert np.abs(difference).max() <= 1


def run_short_side(path: Path) -> None:
    """The short side becomes max(crop, smaller number), the long one follows."""
    case = Case(path)
    crop = case.config["crop_size"][0]
    rows = case.stored_inputs["height_width_scale"].tolist()
    for number, (height, width, first, second) in enumerate(rows):
        size = short_side_size((height, width), (first, second), crop)
        assert case.outputs["size_imgshape_padshape"][number].tolist() == [*size, *size, *size], (
            height,
            width,
        )
        factors = [size[1] / width, size[0] / height] * 2
        np.testing.assert_allclose(case.outputs[f"scale_factor.{number}"].numpy(), factors, rtol=1e-6)
    first_size = short_side_size((rows[0][0], rows[0][1]), (rows[0][2], rows[0][3]), crop)
    difference = resize_image(_image(case, "img.0"), first_size) - case.outputs["img.0"].numpy()
    assert np.abs(difference).max() <= 1


RUNNERS: dict[str, Callable[[Path], None]] = {
    "29_targets__padding": run_padding,
    "29_targets__resize_to_multiple": run_multiple,
    "29_targets__short_side_resize": run_short_side,
}
