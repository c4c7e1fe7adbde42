"""A model behind HTTP: an endpoint for programs (``serve``)."""

from typing import TYPE_CHECKING

from vit_adapter.config.lazy import lazy_names

if TYPE_CHECKING:
    from .endpoint import serve

__getattr__, __dir__ = lazy_names(__name__, {"serve": "endpoint"})
__all__ = ["serve"]
