"""The server under load, in a process of its own: `python -m server.bench.serving product|peer --fd N ...`.

Product and peer get the same uvicorn with the same options on an inherited listening socket.
"""

from __future__ import annotations

import argparse
import importlib.util
import socket
import sys
from pathlib import Path
from types import ModuleType

import uvicorn
from fastapi import FastAPI

from server.bench.bench_site import PRICE_FEN

PEER_MODULE = "onecard_bench_peer"
KEEP_ALIVE_SECONDS = 300
"""While one side is measured the other's connections idle; they stay."""


def load_peer(path: Path) -> ModuleType:
    """Load the peer's module from its file; `tests/bench/usual_service.py` says what it must offer."""
    spec = importlib.util.spec_from_file_location(PEER_MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[PEER_MODULE] = module  # its ORM classes look their annotations up here
    spec.loader.exec_module(module)
    return module


def _product(database_url: str, data_dir: Path) -> FastAPI:
    from server.asgi import create_app  # noqa: PLC0415 - the peer's process must not carry the product
    from server.logs import configure_logs  # noqa: PLC0415
    from server.settings import Settings  # noqa: PLC0415

    configure_logs("warning", "json")
    return create_app(Settings(database_url=database_url, data_dir=data_dir, log_level="warning"))


def _run(arguments: argparse.Namespace) -> None:
    if arguments.kind == "product":
        app = _product(arguments.database, arguments.data)
    else:
        app = load_peer(arguments.peer).create_app(arguments.database, PRICE_FEN)
    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", ws="websockets-sansio", access_log=False, log_level="warning",
        timeout_graceful_shutdown=2,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )  # fmt: skip
    with socket.socket(fileno=arguments.fd) as listening:
        uvicorn.Server(config).run(sockets=[listening])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m server.bench.serving")
    parser.add_argument("kind", choices=("product", "peer"))
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--peer", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    _run(_arguments())
