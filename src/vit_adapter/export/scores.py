"""From the scores that an exported file gives to labels, in numpy: what ``inference.application`` does with tensors."""

import numpy as np

from vit_adapter.inference.limits import NOTHING


def probabilities(scores: np.ndarray, are_logits: bool) -> np.ndarray:
    """Probabilities of one view's scores [K, h, w].

    Args:
        scores: Logits, or sums of class times mask.
        are_logits: Which of the two.
    """
    if are_logits:
        return softmax(scores)
    if len(scores) == 1:
        return scores.clip(max=1)
    total = scores.sum(axis=0, keepdims=True)
    return np.where(total > 0, scores / np.where(total > 0, total, 1), np.float32(1 / len(scores)))


def softmax(scores: np.ndarray) -> np.ndarray:
    """The softmax over the classes of logits [K, h, w]."""
    powers = np.exp(scores - scores.max(axis=0, keepdims=True))
    return powers / powers.sum(axis=0, keepdims=True)


def decided(scores: np.ndarray, threshold: float | None) -> np.ndarray:
    """Labels [h, w] of probabilities or scores [K, h, w].

    Args:
        scores: Of one or more classes.
        threshold: Smallest probability of the last class, of one or two; None: the largest score decides.
    """
    if threshold is None:
        return scores.argmax(axis=0)
    chosen = scores[-1] >= threshold
    return np.where(chosen, 0, NOTHING) if len(scores) == 1 else chosen
