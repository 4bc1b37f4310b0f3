"""From where a deed comes: a browser's or program's address, a device, a command, or the server itself (C83).

Kept with the running task: each entrance says it once, threads that work for the task see it (`server.executor`), and
`server.audit.service.record` writes it down. No service passes it on. It is never read from a header: behind a proxy
the address is what uvicorn made of it, and only for proxies that the settings trust.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from cardcore.ids import DeviceId

MAX_ORIGIN = 100
"""Characters."""
SERVER = "server"
"""What nobody outside asked for: the server's own tasks."""

_ORIGIN: ContextVar[str] = ContextVar("origin", default=SERVER)


def current() -> str:
    """Return where the running task's deeds come from."""
    return _ORIGIN.get()


def of_address(address: str) -> str:
    """Return the origin of a request from a network address."""
    return f"address:{address}"[:MAX_ORIGIN]


def of_device(device: DeviceId) -> str:
    """Return the origin of what a reader daemon brings."""
    return f"device:{device}"


def of_command(user: str) -> str:
    """Return the origin of a command that an account of this machine runs."""
    return f"command:{user}"[:MAX_ORIGIN]


@contextmanager
def coming_from(origin: str) -> Iterator[None]:
    """Name the origin of everything done in the body."""
    before = _ORIGIN.set(origin)
    try:
        yield
    finally:
        _ORIGIN.reset(before)
