"""`onecard serve`: the server process."""

from __future__ import annotations

import argparse
import os
import socket

import structlog
import uvicorn

from cardcore.wire.messages import MAX_FRAME_BYTES
from server.link.directory import Directory
from server.logs import configure_logs
from server.settings import Settings, unknown_variables

SHUTDOWN_SECONDS = 5
KEEP_ALIVE_SECONDS = 20
MAX_CONNECTIONS = 2_000
"""Above this, HTTP is answered 503 at once."""
LINK_PING_SECONDS = 10
BACKLOG_CONNECTIONS = 512

log = structlog.get_logger(__name__)


def add_options(parser: argparse.ArgumentParser) -> None:
    """No options: what a server does is in its settings, where the doctor sees it too."""


def run(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Serve until told to stop."""
    from server.asgi import create_app

    configure_logs(settings.log_level, settings.log_format)
    for line in unknown_variables(os.environ):
        log.warning("setting_unknown", problem=line)
    app = create_app(settings)
    server = LinkServer(server_config(app, settings), app.state.parts.directory)
    server.run()
    return 0 if server.started else 1


class LinkServer(uvicorn.Server):
    """Says goodbye to the reader daemons before it closes their sockets: later they could not be told why."""

    def __init__(self, config: uvicorn.Config, directory: Directory) -> None:
        super().__init__(config)
        self._directory = directory

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving."""
        await self._directory.close()
        await super().shutdown(sockets)


def server_config(app: object, settings: Settings) -> uvicorn.Config:
    """Return how the application is served: our own logs, no banner, bounded frames and connections."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=settings.host,
        port=settings.port,
        loop="auto",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME_BYTES + 1,
        ws_ping_interval=LINK_PING_SECONDS,
        ws_ping_timeout=LINK_PING_SECONDS,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        limit_concurrency=MAX_CONNECTIONS,
        backlog=BACKLOG_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
