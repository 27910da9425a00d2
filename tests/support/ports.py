"""Ports for servers of tests."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack

_PORTS = range(20_000, 32_000)
"""Below those that Linux gives to connections, of which there may be thousands: one would come before the server."""


def free_port(room: int = 1) -> int:
    """A port of 127.0.0.1 that nobody listens to, nor to the `room - 1` after it."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with ExitStack() as stack:
            try:
                for number in range(port, port + room):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", number))
            except OSError:
                continue
            return port
