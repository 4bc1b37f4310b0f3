"""The invariants about moments: looked at whenever a lane opens or a meal is given away (I5's bound, I6)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cardcore.journal import Body, Decided, Intent, Outcome, OutcomeKind
from tests.simulation import site_plan as plan
from tests.simulation.box import Box
from tests.simulation.history import History
from tests.simulation.network import Network
from tests.simulation.server_site import ServerSite

REVOKED_SECONDS = 1.0
"""After the commit every lane and till refuses a revoked card, where the link is up (I6)."""
COMMAND_SECONDS = 1.0
UNCERTAIN_SECONDS = 0.05
"""Relay and rounding."""
SETTLE_SECONDS = 1.0
"""What a new session may take to bring the deny list."""

_body: msgspec.json.Decoder[Body] = msgspec.json.Decoder(Body)


class Watcher:
    """Looks over every yes."""

    def __init__(self, network: Network, server: ServerSite, history: History, offline_hours: int = 72) -> None:
        self._network = network
        self._server = server
        self._history = history
        self._offline_hours = offline_hours

    def watch(self, box: Box) -> None:
        """Look over a box from now on."""

        def said_yes(reader: str, record: Outcome | Decided, intent: Intent) -> None:
            self._unknown(reader, intent)
            self._revoked(box, reader, intent)
            self._aged(box, reader, record)
            if isinstance(record, Outcome) and record.verdict.offline:
                self._bounded(box, reader, intent)

        box.said_yes = said_yes
        box.opened_by_operator = self._opened

    def _opened(self, reader: str) -> None:
        """A command opens a lane within its second or never, however badly the clock was measured (I8)."""
        now = self._network.loop.time()
        ages = [now - asked for asked in self._server.opened if now - asked <= COMMAND_SECONDS + UNCERTAIN_SECONDS]
        if not ages:
            self._history.violate("I8", f"{reader} opened long after the operator asked")

    def _unknown(self, reader: str, intent: Intent) -> None:
        """Nothing that is unknown is ever allowed, whatever is broken: no unknown card, no stale reading (I15)."""
        if intent.credential == plan.STRANGER:
            self._history.violate("I15", f"{reader} let an unknown card through")
        if intent.possibly_stale:
            self._history.violate("I15", f"{reader} took an old reading for a card that is there now")

    def _revoked(self, box: Box, reader: str, intent: Intent) -> None:
        """A card that was refused at the server well before this tap must not have been let through."""
        since = self._refused_since(intent.credential)
        if since is None:
            return
        name = box.plan.name
        path, tapped = self._network.path(name), box.tapped_seconds[reader]
        welcomed = self._server.welcomed.get(name)
        if welcomed is None or not path.sound or not self._server.host.up or path.disturbed_seconds > welcomed:
            self._history.reach("revoked card used behind a cut")
            return
        settled = max(since, path.disturbed_seconds, box.disturbed_seconds, welcomed + SETTLE_SECONDS)
        if tapped > settled + REVOKED_SECONDS:
            late = tapped - since
            self._history.violate("I6", f"{reader} let a card through {late:.1f} s after it was refused, link up")

    def _refused_since(self, credential: str) -> float | None:
        """Return when the card's refusal was committed that still holds; None = it may pass."""
        since: float | None = None
        for change in self._history.card_changes:
            if change.credential == credential:
                since = None if change.active else since or change.at_seconds
        return since

    def _aged(self, box: Box, reader: str, record: Outcome | Decided) -> None:
        """After days without the server nothing is granted alone (I6, the snapshot's age limit)."""
        off = box.off_for_days_seconds
        if off is None or not record.verdict.offline:
            return
        welcomed = self._server.welcomed.get(box.plan.name, -1.0)
        if welcomed < off:
            self._history.violate("I6", f"{reader} granted alone with a policy older than its limit")

    def _bounded(self, box: Box, reader: str, intent: Intent) -> None:
        """A card eats alone at one till no more often than the printed bound says (I5)."""
        bodies = {key: _body.decode(content) for key, content in box.durable.items()}
        taken_back = {
            (key[0], body.tap_seq)
            for key, body in bodies.items()
            if isinstance(body, Outcome) and body.outcome is OutcomeKind.CANCELLED
        }
        eaten = sum(
            self._is_alone(box, reader, intent.credential, key[0], body, bodies)
            for key, body in bodies.items()
            if not isinstance(body, Outcome) or (key[0], body.tap_seq) not in taken_back
        )
        if eaten > plan.OFFLINE_CARD_CAP:
            self._history.violate("I5", f"{reader} served one card {eaten} times alone")

    def _is_alone(
        self, box: Box, reader: str, credential: str, epoch: int, body: Body, bodies: Mapping[tuple[int, int], Body]
    ) -> bool:
        if not isinstance(body, Outcome) or body.outcome is not OutcomeKind.SERVED or not body.verdict.offline:
            return False
        acked = self._history.acked.get((box.plan.name, epoch), 0)
        tap = bodies.get((epoch, body.tap_seq))
        mine = isinstance(tap, Intent) and tap.credential == credential and tap.place == reader
        return mine and body.tap_seq > acked
