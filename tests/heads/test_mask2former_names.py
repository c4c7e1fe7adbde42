"""Names of the head in the official files; those of the published heads are checked with the manifests."""

import torch
from mask2former_parts import SIZES, WIDTHS

from vit_adapter.heads.mask2former import Mask2FormerHead
from vit_adapter.weights.official import official_name, our_name


def test_all_parts_have_an_official_name():
    with torch.device("meta"):
        head = Mask2FormerHead(WIDTHS, 3, SIZES, mask_channels=64, project_inputs=True)
    names = {name: official_name(f"head.{name}") for name in head.state_dict()}
    assert len(set(names.values())) == len(names)
    assert {our_name(official) for official in names.values()} == {f"head.{name}" for name in names}
