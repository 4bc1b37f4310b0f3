"""One message to one address: resolved, checked, sent, and the answer's status read. No redirects, no proxies, limits.

The connection goes to the address that was checked, under the name of the host (SNI and `Host`), so that a name that
resolves elsewhere a moment later gains nothing. Bodies of answers are read up to `MAX_ANSWER_BYTES` and dropped.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import msgspec

from cardcore.clock import Clock
from server.webhooks.models import MAX_BODY_BYTES, Attempt, Message, Result, body_of
from server.webhooks.signing import signed_headers
from server.webhooks.targets import PORTS, Target, chosen, target_of

CONNECT_SECONDS = 3.0
WHOLE_SECONDS = 10.0
"""From the look-up of the name to the end of the answer."""
MAX_ANSWER_BYTES = 16 * 1024
MAX_RETRY_AFTER = 3_600
"""Seconds that a receiver may ask to wait."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


def addresses_of(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host; blocking, empty where there is none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(str(entry[4][0]) for entry in found)


def trust_of(ca_file: Path | None) -> ssl.SSLContext:
    """Return what receivers' certificates are checked by: the machine's own authorities, and one more if given."""
    trust = ssl.create_default_context()
    if ca_file is not None:
        trust.load_verify_locations(cafile=ca_file)
    return trust


class Sender:
    """Sends over HTTP; `resolve` looks a name up off the event loop."""

    def __init__(self, targets: Sequence[Target], resolve: Resolve, clock: Clock, trust: ssl.SSLContext) -> None:
        """Take the allow-list and what receivers' certificates are checked against."""
        self._targets = targets
        self._resolve = resolve
        self._clock = clock
        self._trust = trust

    async def send(self, url: str, secrets: Sequence[str], message: Message) -> Attempt:
        """Try once and say what came of it."""
        body = msgspec.json.encode(body_of(message))
        if len(body) > MAX_BODY_BYTES:
            return Attempt(message, Result.TOO_LARGE)
        begun = self._clock.monotonic_ms()
        status, wait = 0, None
        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                address = await self._address(url)
                if address is None:
                    result = Result.NOT_ALLOWED
                else:
                    headers = signed_headers(secrets, str(message.id), int(self._clock.now().timestamp()), body)
                    status, wait = await self._post(url, address, headers, body)
                    result = _result(status)
        except (TimeoutError, httpx2.TimeoutException):
            result = Result.TIMED_OUT
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ssl.SSLError):
            result = Result.NO_CONNECTION
        return Attempt(message, result, status, self._clock.monotonic_ms() - begun, wait)

    async def _address(self, url: str) -> str | None:
        """Return the address to connect to, or None where the allow-list forbids it now."""
        target = target_of(url, self._targets)
        if target is None:
            return None
        found = await self._resolve(target.host, target.port)
        if not found:
            msg = f"{target.host} has no address"
            raise OSError(msg)
        return chosen(target, found)

    async def _post(
        self, url: str, address: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, timedelta | None]:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or PORTS[parts.scheme]
        there = httpx2.URL(url).copy_with(host=address, port=port)
        sent = {
            "host": parts.netloc, "content-type": "application/json", "user-agent": "Onecard-Webhooks/1",
            "accept": "*/*", **headers,
        }  # fmt: skip
        timeout = httpx2.Timeout(WHOLE_SECONDS, connect=CONNECT_SECONDS)
        async with (
            httpx2.AsyncClient(verify=self._trust, trust_env=False, follow_redirects=False, timeout=timeout) as client,
            client.stream("POST", there, headers=sent, content=body, extensions={"sni_hostname": host}) as answer,
        ):
            read = 0
            async for piece in answer.aiter_raw():
                read += len(piece)
                if read > MAX_ANSWER_BYTES:
                    break
            return answer.status_code, _wait_asked(answer)


def _result(status: int) -> Result:
    if 200 <= status < 300:  # noqa: PLR2004 - the classes of HTTP statuses
        return Result.DELIVERED
    if 300 <= status < 400:  # noqa: PLR2004
        return Result.REDIRECTED
    return Result.GONE if status == 410 else Result.REFUSED  # noqa: PLR2004


def _wait_asked(answer: httpx2.Response) -> timedelta | None:
    text = answer.headers.get("retry-after", "")
    if answer.status_code not in {429, 503} or not (text.isascii() and text.isdecimal() and len(text) <= 6):  # noqa: PLR2004
        return None
    return timedelta(seconds=min(int(text), MAX_RETRY_AFTER))
