"""Backbone, head, classes and protocol as one model."""

from .model import Segmenter

__all__ = ["Segmenter"]
