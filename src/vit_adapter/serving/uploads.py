"""The image file in the body of a request: as it is, or as a field of a form; never more than allowed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from .problems import Refusal

STALLED_SECONDS = 30
"""A body of which nothing arrives for so long is given up."""
FORM_BYTES = 1 << 16
"""What a form may have around the file."""
DRAINED = 8
"""So many times the limit is read and thrown away, so that a client that sends without listening hears the answer."""


async def read_upload(request: Request, most: int) -> tuple[bytes, str]:
    """The uploaded file, and what the client calls it.

    Args:
        request: Its body is the file, whatever content type it states, or a "multipart/form-data" form with one.
        most: Largest file in bytes.

    Raises:
        Refusal: The body is too large, empty, or no form with one file.
    """
    is_form = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
    limit = most + FORM_BYTES if is_form else most
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > limit:
        await discard_body(request, most)
        raise too_large(most)
    body = await _read_within(request, limit, DRAINED * most)
    if body is None:
        raise too_large(most)
    if not is_form:
        if not body:
            raise Refusal(400, "the body is empty; send an image file as the body, or as a field of a form")
        return body, "image"
    content, name = await _file_of_form(request, body)
    if len(content) > most:
        raise too_large(most)
    return content, name


async def discard_body(request: Request, most: int) -> None:
    """Reads what a client sends, without keeping it, for as long as that is worth it."""
    if request.headers.get("expect", "").lower() != "100-continue":  # such a client waits before it sends
        await _read_within(request, 0, DRAINED * most)


def too_large(most: int) -> Refusal:
    """The answer to a file of more bytes than allowed."""
    text = f"the file is larger than the {most / 1e6:g} MB that this server takes"
    return Refusal(413, text, Connection="close")


async def _read_within(request: Request, limit: int, endurance: int) -> bytes | None:
    """The body; None: it is longer than ``limit`` bytes, of which up to ``endurance`` were read."""
    parts: list[bytes] = []
    seen = 0
    async for chunk in _chunks(request):
        seen += len(chunk)
        if seen <= limit:
            parts.append(chunk)
            continue
        parts.clear()
        if seen > endurance:
            break
    return b"".join(parts) if seen <= limit else None


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    stream = request.stream()
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream, None), STALLED_SECONDS)
        except TimeoutError:
            text = f"nothing of the body arrived for {STALLED_SECONDS} seconds"
            raise Refusal(408, text, Connection="close") from None
        except ClientDisconnect:
            raise Refusal(400, "the connection was closed before the body was complete") from None
        if chunk is None:
            return
        yield chunk


async def _file_of_form(request: Request, body: bytes) -> tuple[bytes, str]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await MultiPartParser(
            request.headers, stream(), max_files=2, max_fields=16, max_part_size=FORM_BYTES
        ).parse()
    except (MultiPartException, KeyError, ValueError) as error:
        text = getattr(error, "message", str(error))
        raise Refusal(400, f"the form cannot be read ({text}); send one image file in it") from None
    try:
        files = [value for _, value in form.multi_items() if not isinstance(value, str)]
        if len(files) != 1:
            raise Refusal(
                400, f"the form holds {len(files) or 'no'} files, expected one (curl -F image=@photo.jpg)"
            )
        return await files[0].read(), files[0].filename or "image"
    finally:
        await form.close()
