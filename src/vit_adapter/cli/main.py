"""``vit-adapter COMMAND``: finds the command, runs it, and turns errors meant for the user into one line."""

import difflib
import importlib
import io
import sys
from collections.abc import Sequence
from contextlib import suppress

from vit_adapter.config import InputError

from .streams import OutputError, output_errors
from .termination import Terminated, ended_by_sigterm

COMMANDS = {
    "demo": "train a small model on embedded street scenes and show what it learnt",
    "train": "train on a folder of images and masks, or by a published recipe",
    "eval": "measure a model on a data set by the published protocol",
    "predict": "find classes, objects or boxes in images: label maps, tables, overlays",
    "serve": "answer HTTP requests with a model: JSON, maps, overlays",
    "app": "a web page: drop an image, see what a model finds in it",
    "data": "check a data set before training; convert what labelling tools write",
    "zoo": "list the published recipes",
    "recipe": "print one recipe as YAML",
    "convert": "official checkpoint to model folder, and back",
    "export": "model to an ONNX or OpenVINO file for other runtimes, checked",
    "bench": "time and memory beside the reference forms of the operators",
    "info": "versions, devices and which form of each operator runs",
}
"""All commands, each in a file of its own name in this folder."""

EXTRAS = {
    "lightning_fabric": "train",
    "tensorboard": "train",
    "matplotlib": "train",
    "onnx": "onnx",
    "onnxscript": "onnx",
    "onnxruntime": "onnx",
    "openvino": "openvino",
    "cv2": "instaboost",
    "starlette": "serve",
    "uvicorn": "serve",
    "python_multipart": "serve",
    "rasterio": "geo",
    "av": "video",
    "fastapi": "app",
    "gradio": "app",
}
"""Packages that a command may need, and the extra of this one that brings them."""


PRINTING = ("zoo", "recipe", "info", "data")
"""Commands that do nothing but print: whoever reads no further has what was wanted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: Arguments after ``vit-adapter``; None: those of this process.

    Returns:
        Exit code: 0 success, 1 some result is worse than asked, 2 something given cannot be used, 130 interrupted, 141
        nobody reads what is printed any more (SIGPIPE), 143 terminated (SIGTERM).
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # characters that a console cannot show (S69)
    try:
        with output_errors():
            return _run(words)
    except BrokenPipeError:
        return 0 if not words or words[0] in PRINTING or {"-h", "--help"} & set(words) else 141
    except OutputError as error:
        return _complain(str(error))


def _run(words: list[str]) -> int:
    """Runs a command; the exit code of ``main``."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if words[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"vit-adapter {version('vit-adapter')}")
        return 0
    name = words[0]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(COMMANDS)}"
        return _complain(f"{name!r} is not a command{hint}")
    try:
        with ended_by_sigterm():
            return importlib.import_module(f"vit_adapter.cli.{name}_command").run(words[1:]) or 0
    except InputError as error:
        return _complain(str(error))
    except PermissionError as error:  # what may not be read has no other line: it can be any file or folder
        return _complain(f"{error.filename or error}: cannot be read or written: permission denied")
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        extra = (
            name if name in EXTRAS.values() else extra
        )  # a command with an extra of its own needs all of it
        return _complain(f"{name} needs the package {error.name!r}: pip install 'vit-adapter[{extra}]'")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Terminated:
        print("terminated", file=sys.stderr)
        return 143


def overview() -> str:
    """The help page of the program itself."""
    lines = [f"  {name:<9} {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: vit-adapter COMMAND [options]",
            "",
            "Dense prediction with plain Vision Transformers: ViT-Adapter, nothing to compile, CPU or GPU.",
            "",
            *lines,
            "",
            "vit-adapter COMMAND --help explains a command; vit-adapter --version names the version.",
        ]
    )


def _complain(message: str) -> int:
    with suppress(OSError):  # where the error stream is full as well, the exit code has to do
        print(f"vit-adapter: error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
