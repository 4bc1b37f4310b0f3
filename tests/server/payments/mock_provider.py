"""A payment provider that behaves like one: its own HTTP server, signed answers, callbacks over HTTP. Test support.

It signs with code of its own, so that a mistake in the product's signing is not repeated here.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from cardcore.clock import Clock

KEY = bytes(range(32))


class MockProvider:
    """Takes orders, lets a test pay them, and tells of it; every fault is a switch."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.orders: dict[str, dict[str, Any]] = {}
        self.signs_with = KEY
        self.asked: list[str] = []
        self._nonces = count(1)
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                provider.handle(self)

            do_GET = do_POST  # noqa: N815 - the library's name

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="mock-provider")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("content-length") or 0))
        self.asked.append(f"{request.command} {request.path}")
        signed = f"{request.command} {request.path}\n".encode() + body
        nonce = request.headers["onecard-nonce"]
        expected = self._sign("request", request.headers["onecard-time"], nonce, signed, KEY)
        if request.headers["onecard-signature"] != expected:
            status, answer = 403, b"{}"
        elif request.command == "POST":
            order = json.loads(body)
            self.orders.setdefault(order["order"], {**order, "state": "waiting", "reference": ""})
            status, answer = 200, json.dumps({"pay_url": f"{self.url}/pay/{order['order']}"}).encode()
        else:
            known = self.orders.get(request.path.rpartition("/")[2])
            status, answer = (404, b"{}") if known is None else (200, json.dumps(known).encode())
        at = str(int(self.clock.now().timestamp()))
        own = f"answer-{next(self._nonces)}"
        request.send_response(status)
        signature = self._sign("answer", at, own, nonce.encode() + answer, self.signs_with)
        for name, value in (("onecard-signature", signature), ("onecard-time", at), ("onecard-nonce", own)):
            request.send_header(name, value)
        request.send_header("content-length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)

    def pay(self, number: str, amount: int | None = None) -> None:
        """Let the holder pay."""
        order = self.orders[number]
        order.update(state="paid", reference=f"W{number[-6:]}", amount_fen=amount or order["amount_fen"])

    def callback(self, number: str, key: bytes = KEY, direction: str = "callback") -> tuple[dict[str, str], bytes]:
        """Return headers and body of a callback; send it as often as you like."""
        body = json.dumps(self.orders[number]).encode()
        at, nonce = str(int(self.clock.now().timestamp())), f"callback-{next(self._nonces)}"
        signature = self._sign(direction, at, nonce, body, key)
        return {"onecard-signature": signature, "onecard-time": at, "onecard-nonce": nonce}, body

    @staticmethod
    def _sign(direction: str, at: str, nonce: str, body: bytes, key: bytes) -> str:
        return hmac.new(
            key, b"\n".join([direction.encode(), at.encode(), nonce.encode(), body]), hashlib.sha256
        ).hexdigest()


def post(address: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
    """Send a callback; return the status and the verdict."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("POST", parts.path, body, headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, str(answer.get("verdict", answer.get("code")))
