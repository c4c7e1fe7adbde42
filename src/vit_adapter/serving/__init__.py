"""A model behind HTTP: an endpoint for programs (``serve``) and a page for people (``show_app``)."""

from typing import TYPE_CHECKING

from vit_adapter.config.lazy import lazy_names

if TYPE_CHECKING:
    from .endpoint import serve
    from .page import show_app

__getattr__, __dir__ = lazy_names(__name__, {"serve": "endpoint", "show_app": "page"})
__all__ = ["serve", "show_app"]
