"""What a model can be asked for."""

from typing import Literal

TaskName = Literal["semantic", "instance", "panoptic", "detection"]

ScoresAre = Literal["logits", "class_sums"]
"""What a head gives every pixel: logits, whose softmax are probabilities, or for each class a sum over queries of class
probability × mask probability, which is none."""
