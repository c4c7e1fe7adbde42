"""Training with Lightning: the only room that imports it."""

from .run import RunResult, run_training

__all__ = ["RunResult", "run_training"]
