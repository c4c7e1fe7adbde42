"""Objects of low scores that average precision leaves out."""

import numpy as np

from tiny import SMALL_MASK2FORMER
from vit_adapter import Segmenter, ViTAdapter
from vit_adapter.annotations import Annotation, Instances
from vit_adapter.config import ClassTable, DataConfig, EvaluationConfig
from vit_adapter.data.sample import Sample
from vit_adapter.evaluation import measure
from vit_adapter.tasks import InstanceResult


class Cells:
    """One image with one object."""

    def __init__(self):
        self.classes, self.names, self.config = ClassTable(("cell",), (1,)), ["0"], DataConfig()

    def __len__(self):
        return 1

    def read(self, index):
        mask = np.zeros((1, 64, 64), bool)
        mask[0, :20, :20] = True
        truth = Annotation(instances=Instances.from_masks(np.array([0]), mask))
        return Sample(np.full((64, 64, 3), 90, np.uint8), truth, self.names[index])


def test_objects_below_the_threshold_are_not_counted():
    vit = ViTAdapter("vit_tiny_patch16_224", options={"depth": 4}, img_size=64)
    model = Segmenter(vit, SMALL_MASK2FORMER, class_names=["cell"], task="instance").eval()
    scores = []

    def keep(number, sample, result):
        assert isinstance(result, InstanceResult)
        scores.append(result.instances.scores)

    for threshold in (0.0, 0.4, 1.0):
        config = EvaluationConfig(object_threshold=threshold)
        found = measure(model, Cells(), config, progress=False, observe=keep)
        assert found.evaluator.figures()["found"] == len(scores[-1])
    assert len(scores[0]) == SMALL_MASK2FORMER.queries  # whoever names no threshold measures every object
    assert scores[1].tolist() == [score for score in scores[0].tolist() if score >= 0.4]
    assert len(scores[2]) == 0
