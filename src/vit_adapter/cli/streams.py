"""What is printed and cannot be: its reader has gone, or its disk is full."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from vit_adapter.config.files import system_reason


class OutputError(Exception):
    """The standard output cannot be written; the message is a line for the user."""


@contextmanager
def output_errors() -> Iterator[None]:
    """Within this block, and for what it leaves to be written at its end, errors of the standard output are known.

    Afterwards nothing is left that Python would try to write once more when it ends.

    Raises:
        BrokenPipeError: Nobody reads the standard output any more.
        OutputError: It cannot be written for another reason.
    """
    try:
        try:
            yield
        except SystemExit as end:
            if isinstance(end.__context__, BrokenPipeError):  # rich ends the program by itself
                raise end.__context__ from None
            _flush()
            raise
        _flush()
    except BrokenPipeError:
        _discard()
        raise
    except OSError as error:
        if not _is_of_the_output():
            raise
        _discard()
        raise OutputError(f"the standard output cannot be written: {system_reason(error)}") from error


def _flush() -> None:
    if sys.stdout is not None:  # None: it was closed before the program began
        sys.stdout.flush()


def _is_of_the_output() -> bool:
    """Whether it still fails, tried with an empty line: where nothing is kept for later, flushing alone succeeds."""
    try:
        if sys.stdout is not None:
            sys.stdout.write("\n")
        _flush()
    except OSError:
        return True
    return False


def _discard() -> None:
    """What is kept to be written goes nowhere."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
