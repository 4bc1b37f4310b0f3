"""A payment provider over HTTP with signed requests, answers and callbacks; one for every gateway that speaks so.

Blocking, with a deadline on each call; never called inside a database transaction. A bank's or wallet's own protocol
is another class beside this one.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.payments.models import MAX_CALLBACK_BYTES, Order, Payment, ProviderUnavailableError, Verdict
from server.payments.signing import MIN_KEY_BYTES, Direction, check, signed_headers
from server.system import System

TIMEOUT_SECONDS = 5
MAX_ANSWER_BYTES = 16_384
MAX_REFERENCE = 64
NONCE_BYTES = 16
OK, NOT_FOUND = 200, 404


class _Paid(msgspec.Struct, frozen=True):
    """What a provider says of an order, in its answer to a query and in a callback."""

    order: str
    state: str
    amount_fen: int
    reference: str = ""


class _Opened(msgspec.Struct, frozen=True):
    pay_url: str


class HttpProvider:
    """Implements `Provider`."""

    def __init__(self, name: str, url: str, key: bytes, system: System) -> None:
        """Take the provider's base address and the secret shared with it."""
        if len(key) < MIN_KEY_BYTES:
            msg = f"the key of payment provider {name} has fewer than {MIN_KEY_BYTES} bytes"
            raise ValueError(msg)
        self.name = name
        self._address = urlsplit(url)
        if self._address.scheme not in {"http", "https"} or not self._address.hostname:
            msg = f"the address of payment provider {name} begins with http:// or https://"
            raise ValueError(msg)
        self._key = key
        self._system = system

    def open(self, order: Order) -> str:
        """Tell the provider of an order; telling it again is harmless."""
        body = msgspec.json.encode({"order": order.number, "amount_fen": order.amount})
        answer = self._call("POST", "/orders", body)
        if answer is None:
            msg = f"{self.name} does not take orders"
            raise ProviderUnavailableError(msg)
        try:
            return msgspec.json.decode(answer, type=_Opened).pay_url
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise ProviderUnavailableError(str(error)) from error

    def query(self, number: str) -> Payment | None:
        """Ask what became of an order."""
        answer = self._call("GET", f"/orders/{number}", b"")
        payment = _read(answer) if answer is not None else None
        if isinstance(payment, Verdict) or (payment is not None and payment.number != number):
            msg = f"{self.name} answered about something else"
            raise ProviderUnavailableError(msg)
        return payment

    def read_callback(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Payment | Verdict:
        """Check a callback and read it."""
        if len(body) > MAX_CALLBACK_BYTES:
            return Verdict.UNREADABLE
        nonce = check(self._key, Direction.CALLBACK, headers, body, now)
        return nonce if isinstance(nonce, Verdict) else _read(body, nonce)

    def _call(self, method: str, path: str, body: bytes) -> bytes | None:
        """Send a signed request and return the body of a signed answer; None for "not found"."""
        now, nonce = self._system.clock.now(), self._system.ids.random_bytes(NONCE_BYTES).hex()
        # What is signed names the request too: an answer to another question would carry another nonce.
        signed = f"{method} {path}\n".encode() + body
        headers = signed_headers(self._key, Direction.REQUEST, signed, now, nonce)
        try:
            connection = self._connection()
            try:
                connection.request(method, self._address.path.rstrip("/") + path, body or None, headers)
                response = connection.getresponse()
                answer = response.read(MAX_ANSWER_BYTES)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            msg = f"{self.name} cannot be reached: {type(error).__name__}"
            raise ProviderUnavailableError(msg) from error
        given = {name.lower(): value for name, value in response.getheaders()}
        proved = check(self._key, Direction.ANSWER, given, nonce.encode() + answer, self._system.clock.now())
        if isinstance(proved, Verdict):
            msg = f"the answer of {self.name} is not signed by it: {proved}"
            raise ProviderUnavailableError(msg)
        if response.status == NOT_FOUND:
            return None
        if response.status != OK:
            msg = f"{self.name} answered {response.status}"
            raise ProviderUnavailableError(msg)
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        if self._address.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=context)
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)


def _read(body: bytes, nonce: str = "") -> Payment | Verdict:
    try:
        said = msgspec.json.decode(body, type=_Paid)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return Verdict.UNREADABLE
    if not 0 < said.amount_fen <= MAX_AMOUNT_FEN or len(said.reference) > MAX_REFERENCE:
        return Verdict.UNREADABLE
    return Payment(said.order, said.state == "paid", Fen(said.amount_fen), said.reference, nonce)
