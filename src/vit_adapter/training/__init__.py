"""Training with Lightning: the only room that imports it."""

from .plan import print_plan
from .run import RunResult, run_training

__all__ = ["RunResult", "print_plan", "run_training"]
