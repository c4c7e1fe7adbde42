"""What a user does, as plain functions; the command line calls the same. Rooms are put together here."""

from .evaluating import evaluate
from .models import build, choose_device, load
from .predicting import predict
from .training import train

__all__ = ["build", "choose_device", "evaluate", "load", "predict", "train"]
