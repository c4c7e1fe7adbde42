"""What is answered where there is no result: a status and one line."""


class Refusal(Exception):
    """A request that is answered with an error.

    Attributes:
        status: HTTP status.
        line: What is wrong, in one line, for whoever sent the request.
        headers: Further headers of the answer.
    """

    def __init__(self, status: int, line: str, **headers: str) -> None:
        super().__init__(line)
        self.status, self.line = status, " ".join(line.split())
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
