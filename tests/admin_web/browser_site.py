"""The pages over real sockets with the fakes behind them, for a real browser: a free port and one thread."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

import uvicorn

from admin_web.app import create_pages
from admin_web.settings import LiveLimits
from tests.admin_web.fakes import FakeSite, settings

START_LIMIT_S = 20.0
POLL_S = 0.02
QUICK = LiveLimits(session_check_ms=200, heartbeat_ms=400)


class RealClock:
    """The site's fixed wall time, with a real monotonic clock, so that streams check sessions."""

    def __init__(self, site: FakeSite) -> None:
        self.now = site.clock.now

    def monotonic_ms(self) -> int:
        return int(time.monotonic() * 1000)


class BrowserSite:
    """Serves a `FakeSite` while entered."""

    def __init__(self, site: FakeSite) -> None:
        self.site = site
        self.pages = create_pages(site.services(), RealClock(site), settings(QUICK))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(self.pages, log_level="warning", timeout_graceful_shutdown=1, lifespan="off")
        self._server = uvicorn.Server(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="browser-site")

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve([self._socket]))
        self._loop.close()

    def call(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine of a fake in the server's loop."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(START_LIMIT_S)

    def __enter__(self) -> Self:
        self._thread.start()
        limit = time.monotonic() + START_LIMIT_S
        while not self._server.started:
            assert time.monotonic() < limit, "the test server did not start"
            time.sleep(POLL_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(START_LIMIT_S)
        self._socket.close()
