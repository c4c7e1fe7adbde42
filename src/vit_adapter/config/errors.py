"""The one error whose message is written for the user."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line: it names the file or argument, the value found and what was expected. The
    command line prints it as it is and exits with code 2; a Python caller may catch it as a ``ValueError``.
    """
