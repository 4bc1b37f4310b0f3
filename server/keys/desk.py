"""The key service as one device's link meets it: permission, a rate, and the open sessions of its cards."""

from __future__ import annotations

import threading

import structlog

from cardcore.card_keys.answering import KeyAnswers, everything
from cardcore.card_keys.asks import BeginAuthentication, KeyAnswer, KeyRefusal, KeyRefused, KeyRequest, SealKeyChange
from cardcore.ids import SiteId
from server.keys.permission import Asker, key_change_refused, refused
from server.keys.service import KeyService
from server.system import System

ASKS_PER_SECOND = 400
"""Of one device: 16 readers with two asks a tap need a tenth of it, a card on the encoder about 100 in all."""
BURST = 800

log = structlog.get_logger(__name__)


class KeyDesk:
    """One for each link; called from worker threads, one ask at a time."""

    def __init__(self, service: KeyService, site: SiteId, system: System) -> None:
        """Begin without an open session."""
        self._answers = KeyAnswers(service.custody(site), everything, system.clock, system.ids)
        self._clock = system.clock
        self._turn = threading.Lock()
        self._tokens = float(BURST)
        self._filled_ms = system.clock.monotonic_ms()

    def ask(self, asker: Asker, request: KeyRequest) -> KeyAnswer:
        """Answer one ask of a device."""
        with self._turn:
            if not self._admitted():
                return KeyRefused(KeyRefusal.BUSY, f"more than {ASKS_PER_SECOND} asks a second")
            refusal = _refusal(asker, request)
            if refusal is not None:
                log.warning("card_key_refused", device=str(asker.device), ask=type(request).__name__, refusal=refusal)
                return KeyRefused(refusal, "this device may not use that key now")
            return self._answers.ask(request)

    def _admitted(self) -> bool:
        now_ms = self._clock.monotonic_ms()
        self._tokens = min(BURST, self._tokens + (now_ms - self._filled_ms) * ASKS_PER_SECOND / 1000)
        self._filled_ms = now_ms
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def _refusal(asker: Asker, request: KeyRequest) -> KeyRefusal | None:
    match request:
        case BeginAuthentication():
            return refused(asker, request)
        case SealKeyChange():
            return key_change_refused(asker, request)
        case _:
            return None
