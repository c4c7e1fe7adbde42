"""What heads answer, and what they refuse to be asked."""

import pytest
import torch
from mask2former_parts import pyramid, shaken, tiny_head

from vit_adapter.config import InputError, TrainingConfig
from vit_adapter.heads import Detections, FCNHead, Head, Objects, Queries, Targets
from vit_adapter.heads.mask2former.head import class_sums


def test_queries_are_what_the_score_maps_are_made_of():
    head = shaken(tiny_head()).eval()
    maps = pyramid()
    queries = head.find(maps)
    assert isinstance(queries, Queries)
    assert queries.classes.shape == (2, head.num_queries, 6)
    assert queries.masks.shape[-2:] == maps[0].shape[-2:]
    assert torch.equal(head(maps), class_sums(queries.classes, queries.masks))


def test_pixel_head_does_not_find_objects():
    with pytest.raises(InputError, match="FCNHead does not find objects: it answers semantic"):
        FCNHead(8, 8, 3).find([torch.zeros(1, 8, 4, 4)], (16, 16))


class BoxHead(Head):
    """Finds one box in every image, and learns where it is."""

    tasks = ("detection",)

    def find(self, pyramid, area):
        box = torch.tensor([[0.0, 0.0, area[1], area[0]]])
        return [Detections(box, torch.zeros(1, dtype=torch.long), torch.ones(1)) for _ in pyramid[0]]

    def configure_loss(self, training, class_weights, ignore_index):
        """Nothing to take over."""

    def count(self, targets):
        return float(sum(map(len, targets.required_objects())))

    def loss(self, pyramid, targets, divisor=None):
        boxes = torch.cat([objects.boxes for objects in targets.required_objects()])
        return {"loss_box": (boxes.mean() - pyramid[0].mean()).abs() / (divisor or self.count(targets))}


def test_head_of_boxes_needs_no_score_maps_and_no_labels():
    head, maps = BoxHead(), [torch.zeros(2, 8, 4, 6)]
    head.configure_loss(TrainingConfig(), None, 255)
    with pytest.raises(InputError, match="BoxHead does not score pixels: it answers detection"):
        head(maps)
    assert [found.boxes.tolist() for found in head.find(maps, (15, 22))] == [[[0, 0, 22, 15]]] * 2
    objects = Objects(torch.tensor([0, 1]), torch.tensor([[0.0, 0, 4, 8], [1, 1, 2, 2]]))
    targets = Targets(None, 255, (16, 24), [objects, objects])
    assert head.count(targets) == 4
    assert head.loss(maps, targets)["loss_box"] == pytest.approx(18 / 8 / 4)
    with pytest.raises(InputError, match="learns from labels"):
        targets.required_labels()
    with pytest.raises(InputError, match="learns from objects"):
        head.count(Targets(torch.zeros(1, 2, 2, dtype=torch.long), 255, (2, 2)))
