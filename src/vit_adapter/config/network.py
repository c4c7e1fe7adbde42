"""Whether a server can be reached, found out in seconds instead of a client's many retries."""

import os
import socket
import threading
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

SECONDS = 5.0
"""Longest wait for a name and a connection; a server on the other side of the world answers in less than one."""


def unreachable(url: str, seconds: float = SECONDS) -> str | None:
    """Why nothing can be fetched from an address, or None when its server, or the proxy in front of it, answers.

    Only a connection is opened, nothing is sent.

    Args:
        url: An http or https address.
        seconds: Longest wait.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
    proxy = None if proxy_bypass(host) else getproxies().get(parts.scheme)
    if proxy is not None:
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        host, port = parts.hostname or host, parts.port or port
    reasons: list[str | None] = [f"{host} does not answer within {seconds:g} s"]

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=seconds).close()
            reasons.append(None)
        except TimeoutError:
            pass
        except OSError as error:
            reasons.append(f"{host} cannot be reached ({(error.strerror or str(error)).lower()})")

    # Looking up a name has no time limit of its own.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    return reasons[-1]


def offline_by_choice() -> bool:
    """Whether the hub's client was told not to use the network (``HF_HUB_OFFLINE``)."""
    wanted = (os.environ.get(name, "") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return any(value.strip().upper() in ("1", "TRUE", "YES", "ON") for value in wanted)
