"""A page for people: drop an image, see what a model finds in it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vit_adapter.api.marked_image import MOST_REGIONS, marked_image
from vit_adapter.api.open_model import SERVED_PIXELS, OpenModel, open_model
from vit_adapter.config import InputError
from vit_adapter.config.values import check_argument

from .endpoint import SERVED_MEGABYTES, describe, say
from .listening import address_of, make_server, open_port, run_server
from .problems import Refusal
from .reading import read_pixels

if TYPE_CHECKING:
    from vit_adapter.api.open_model import Segmenter

GRACE = 5
"""Seconds that an image in work has at the end; open pages hold their connections."""
SCRIPT = Path(__file__).parent / "hover.js"
STYLE = """
#result .legend { max-height: 30vh; overflow-y: auto; }
footer { display: none !important; }
"""


def show_app(
    model: "str | Path | Segmenter",
    checkpoint: str | Path | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    max_megabytes: float = SERVED_MEGABYTES,
    max_pixels: int = SERVED_PIXELS,
    started: Callable[[str], object] | None = None,
    **opening: Any,
) -> None:
    """Shows a page until SIGTERM or Ctrl-C. Nothing is sent to or fetched from anywhere else.

    Args:
        model: As ``api.open_model`` takes it.
        checkpoint: For a recipe: its weights.
        host: Address of this machine on which it listens; "0.0.0.0": all of them.
        port: 0: any free one.
        max_megabytes: Largest image file.
        max_pixels: Images of more pixels, width x height, are refused.
        started: Told in a line where the page is; None: the line is printed.
        opening: Further arguments of ``api.open_model``.

    Raises:
        InputError: An argument or the model cannot be used, or the port is taken.
        ModuleNotFoundError: gradio is not installed.
    """
    check_argument("--max-megabytes", max_megabytes, float, above=0)
    with open_port(host, port) as opened:
        shown = open_model(model, checkpoint, max_pixels=max_pixels, **opening)
        application = make_page(shown, round(max_megabytes * 1e6))
        shown.try_out()
        server = make_server(application, GRACE)
        (started or say)(f"{describe(shown)} at {address_of(opened)} (Ctrl-C ends it)")
        run_server(server, opened)


def make_page(model: OpenModel, file_bytes: int) -> Any:
    """The page as an ASGI application.

    Args:
        model: What is asked.
        file_bytes: Largest image file.
    """
    # Before the import, which reads them: no report to gradio's makers, no search for newer versions.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import gradio as gr
    from fastapi import FastAPI

    def segment(file: str | None, task: str, score: float | None) -> tuple[Any, str]:
        if file is None:
            return gr.AnnotatedImage(value=None), ""
        score = score if task in FINDS_OBJECTS else None
        try:
            wish = model.wish(task, score_threshold=score)  # pyright: ignore
            pixels = read_pixels(model, Path(file).read_bytes(), Path(file).name)
            (result,) = model.segment([pixels], wish)
        except (InputError, Refusal) as error:
            raise gr.Error(model.told(error), print_exception=False) from None
        marked = marked_image(result)
        colours = dict(zip(marked.names, marked.colours, strict=True))
        value = (marked.image, list(zip(marked.regions, marked.names, strict=True)))
        height, width = pixels.shape[:2]
        return gr.AnnotatedImage(value=value, color_map=colours), _summary(width, height, marked.found)

    objects = [task for task in model.tasks if task in FINDS_OBJECTS]
    with gr.Blocks(title=model.name, analytics_enabled=False) as page:
        gr.Markdown(f"## {_escaped(describe(model))}")
        with gr.Row():
            with gr.Column(scale=1):
                image = gr.Image(
                    label="Drop an image",
                    type="filepath",
                    image_mode=None,  # the file as it is: the model's own reader knows more formats and turns
                    sources=["upload", "clipboard"],
                    elem_id="upload",
                )
                task = gr.Radio(
                    list(model.tasks),
                    value=model.tasks[0],
                    label="Task",
                    visible=len(model.tasks) > 1,
                    elem_id="task",
                )
                score = gr.Slider(
                    0,
                    1,
                    value=model.protocol.objects.score_threshold,
                    step=0.01,
                    label="Smallest score",
                    visible=bool(objects),
                    elem_id="score",
                )
            with gr.Column(scale=2):
                result = gr.AnnotatedImage(label="Found (hover to see what is where)", elem_id="result")
                summary = gr.Markdown(elem_id="summary")
        together: Any = {"concurrency_id": "model", "concurrency_limit": 1, "api_visibility": "private"}
        inputs, outputs = [image, task, score], [result, summary]
        image.change(segment, inputs, outputs, **together)
        task.change(segment, inputs, outputs, **together)
        score.release(segment, inputs, outputs, **together)
    return gr.mount_gradio_app(
        FastAPI(openapi_url=None),
        page,
        path="/",
        max_file_size=file_bytes,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        css=STYLE,
        head=f"<script>{SCRIPT.read_text(encoding='utf-8')}</script>",
    )


FINDS_OBJECTS = ("instance", "panoptic", "detection")


def _summary(width: int, height: int, found: int) -> str:
    text = f"{width} × {height} pixels"
    if found == 0:
        return f"{text}: nothing found"
    return text if found <= MOST_REGIONS else f"{text}; {MOST_REGIONS} of {found} regions shown"


def _escaped(text: str) -> str:
    """A name as Markdown shows it, letter for letter."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>()#+-.!|$" else letter for letter in text)
