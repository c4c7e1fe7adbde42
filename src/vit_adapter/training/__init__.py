"""Training with Lightning: the only room that imports it."""

from .plan import print_plan
from .run import RunResult, run_training
from .start_block import PUBLISHED_BATCH

__all__ = ["PUBLISHED_BATCH", "RunResult", "print_plan", "run_training"]
