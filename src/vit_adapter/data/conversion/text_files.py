"""Annotation files as trees: JSON, and XML that declares nothing."""

import json
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from vit_adapter.config import InputError

from ..class_files import read_text


def read_json(file: Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: It cannot be read, or is no JSON.
    """
    try:
        return json.loads(read_text(file))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{file}: is not JSON ({error})") from None
    except ValueError as error:  # an InputError, or a number of more digits than Python reads
        raise (
            error if isinstance(error, InputError) else InputError(f"{file}: is not JSON ({error})")
        ) from None


def read_xml(file: Path) -> Element:
    """The root of an XML file.

    A document type declaration is refused: annotations have none, and entities can name files and grow without bound.

    Raises:
        InputError: It cannot be read, is no XML, or has such a declaration.
    """
    builder = TreeBuilder()

    def refuse(*_: object) -> None:
        raise InputError(f"{file}: has a document type declaration (DOCTYPE), which annotations do not need")

    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        with file.open("rb") as stream:
            parser.ParseFile(stream)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from None
    except (expat.ExpatError, ValueError) as error:
        raise (
            error if isinstance(error, InputError) else InputError(f"{file}: is not XML ({error})")
        ) from None
    return builder.close()
