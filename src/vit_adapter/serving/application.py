"""The web application of ``serve``: its addresses, and the way from an upload to an answer."""

import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vit_adapter.api.open_model import OpenModel
from vit_adapter.api.result_images import map_png, overlay_png
from vit_adapter.api.result_values import result_values
from vit_adapter.config import InputError

from .batching import Batcher
from .problems import Refusal
from .reading import read_pixels
from .uploads import discard_body, read_upload
from .wanted import FORMS, READERS, Wanted, read_wanted

LOG = logging.getLogger("vit_adapter.serving")
USAGE = "POST an image file to /predict: curl --data-binary @photo.jpg ADDRESS/predict"


@dataclass(frozen=True)
class Limits:
    """What a server takes.

    Attributes:
        file_bytes: Largest image file.
        waiting: Requests in flight at a time.
        batch_seconds: Time that an image waits for others while the model is idle.
    """

    file_bytes: int
    waiting: int
    batch_seconds: float


@dataclass
class Counts:
    """What a server has done.

    Attributes:
        in_flight: Requests for an image that have begun and not ended.
        answered: Requests for an image that got their result.
        refused: Those that got an error.
        begin: When it began, on the monotonic clock.
    """

    in_flight: int = 0
    answered: int = 0
    refused: int = 0
    begin: float = field(default_factory=time.monotonic)


class Endpoint:
    """What the addresses answer.

    Args:
        model: What is asked.
        limits: What is taken.

    Attributes:
        counts: What was done so far.
    """

    def __init__(self, model: OpenModel, limits: Limits) -> None:
        self.counts = Counts()
        self._model, self._limits = model, limits
        self._batcher = Batcher(model.segment, model.batch_size, limits.batch_seconds)
        # Pixels are larger than files: only so many images are decoded as the model takes next and after next.
        self._decoded = asyncio.Semaphore(2 * model.batch_size)

    def application(self, started: Callable[[], object]) -> Starlette:
        """The application; ``started`` is called when it answers requests."""

        @asynccontextmanager
        async def working(_: Starlette) -> AsyncIterator[None]:
            work = asyncio.create_task(self._batcher.run())
            work.add_done_callback(_say_why)
            started()
            yield
            work.cancel()

        application = Starlette(
            routes=[
                Route("/", self.usage),
                Route("/health", self.health),
                Route("/model", self.described),
                Route("/predict", self.predict, methods=["POST"]),
            ],
            exception_handlers={Refusal: _refused, HTTPException: _http_error, Exception: _failed},
            lifespan=working,
        )
        application.router.redirect_slashes = (
            False  # clients do not send an image a second time by themselves
        )
        return application

    async def predict(self, request: Request) -> Response:
        """An image's answer, counted."""
        counts, most = self.counts, self._limits.waiting
        try:
            if counts.in_flight >= most:
                await discard_body(request, self._limits.file_bytes)
                raise Refusal(503, f"{most} requests are in work already; come again", Retry_After="1")
            counts.in_flight += 1
            try:
                response = await self._answer(request)
            except asyncio.CancelledError:  # the time that requests have at the end is over
                raise Refusal(503, "the server stopped before the image was done", Retry_After="1") from None
            finally:
                counts.in_flight -= 1
        except Exception:
            counts.refused += 1
            raise
        counts.answered += 1
        return response

    async def _answer(self, request: Request) -> Response:
        content, name = await read_upload(request, self._limits.file_bytes)
        wanted = read_wanted(request.query_params.multi_items(), request.headers.get("accept"), self._model)
        async with self._decoded:
            if await request.is_disconnected():
                raise Refusal(499, "the client has gone")
            pixels = await asyncio.to_thread(read_pixels, self._model, content, name)
            del content
            try:
                result = await self._batcher.result(pixels, wanted.wish)
            except Exception as error:
                raise model_refusal(error, self._model) from error
            return await asyncio.to_thread(_response, self._model, result, wanted)

    async def usage(self, _: Request) -> Response:
        """How to ask."""
        return _json({"usage": USAGE, "parameters": list(READERS), "format": list(FORMS), "model": "/model"})

    async def health(self, _: Request) -> Response:
        """That it works, and how much."""
        counts, batcher = self.counts, self._batcher
        return _json(
            {
                "status": "ok",
                "in_flight": counts.in_flight,
                "answered": counts.answered,
                "refused": counts.refused,
                "images_per_call": round(batcher.images / batcher.calls, 2) if batcher.calls else None,
                "seconds": round(time.monotonic() - counts.begin, 1),
            }
        )

    async def described(self, _: Request) -> Response:
        """What the model knows."""
        return _json(model_values(self._model, self._limits))


def model_values(model: OpenModel, limits: Limits) -> dict[str, Any]:
    """What ``/model`` answers."""
    classes = model.classes
    return {
        "name": model.name,
        "task": model.tasks[0],
        "tasks": list(model.tasks),
        "channels": model.channels,
        "classes": [
            {
                "label": label,
                "id": classes.ids[label],
                "name": name,
                **({} if classes.colours is None else {"colour": list(classes.colours[label])}),
                **({} if classes.is_thing is None else {"thing": classes.is_thing[label]}),
            }
            for label, name in enumerate(classes.names)
        ],
        "limits": {"bytes": limits.file_bytes, "pixels": model.max_pixels, "requests": limits.waiting},
    }


def _response(model: OpenModel, result: Any, wanted: Wanted) -> Response:
    if wanted.form == "json":
        values = {"model": model.name, "task": wanted.wish.task, **result_values(result, wanted.masks)}
        return _json(values)
    if wanted.form == "map":
        return Response(map_png(result, wanted.ids), media_type="image/png")
    return Response(overlay_png(result, wanted.alpha, wanted.legend), media_type="image/png")


def _json(values: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    text = json.dumps(values, ensure_ascii=False) + "\n"
    return Response(text.encode("utf-8", "replace"), status, headers, media_type="application/json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _json({"error": error.line}, error.status, error.headers)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    line = {404: f"{request.url.path[:80]}: no such address; {USAGE}", 405: USAGE}.get(error.status_code)
    return _json({"error": line or str(error.detail)}, error.status_code, dict(error.headers or {}))


async def _failed(_: Request, error: Exception) -> Response:
    return _json({"error": f"the server failed ({type(error).__name__})"}, 500)


def model_refusal(error: Exception, model: OpenModel) -> Refusal:
    """The answer where the model could not be applied to an image that could be read."""
    if isinstance(error, InputError):
        return Refusal(422, model.told(error))
    torch: Any = sys.modules.get("torch")  # where it was never imported, nothing of it failed
    lacks_memory = isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError))
    if lacks_memory or "DefaultCPUAllocator" in str(error):
        return Refusal(503, "not enough memory for this image")
    LOG.error("the model failed", exc_info=error)
    return Refusal(500, f"the model failed ({type(error).__name__})")


def _say_why(work: "asyncio.Task[None]") -> None:
    """Where no more batches are made, that is an error of ours, which shall be seen."""
    if not work.cancelled() and (error := work.exception()) is not None:
        LOG.error("no more batches are made", exc_info=error)
