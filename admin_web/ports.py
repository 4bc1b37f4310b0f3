"""What the pages need from the server: one small Protocol a subject, in the server's own row types.

Functions are synchronous and run through `Run`; only `LiveFeed.subscribe` is asynchronous. One call is one transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import ParamSpec, Protocol, TypeVar

from cardcore.ids import CardId, IdSource, PersonId, SiteId, StaffId, TillId
from server.cards.service import CardChange
from server.database import ReadSession, WriteSession
from server.keys.service import KeyService
from server.live.feed import LiveTap
from server.live.repository import Place
from server.reports.paging import Page
from server.reports.rows import (
    BlockReason,
    CardRow,
    CardView,
    ChargeFilter,
    ChargesFound,
    DayFigures,
    DeviceRow,
    PersonRow,
    PersonView,
)
from server.secrets_file import ServerSecrets
from server.staff.passwords import Passwords
from server.staff.sign_in import Opening, SessionView, SignInResult
from server.system import System
from server.webhooks.targets import Target

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class Sessions(Protocol):
    """Runs one service call as one transaction; `server.database.Database` is one."""

    def read(self, call: Callable[[ReadSession], Answer], /) -> Answer:
        """Run a call that only reads."""
        ...

    def write(self, call: Callable[[WriteSession], Answer], /) -> Answer:
        """Run a call and commit; it may be run again when it lost a race."""
        ...


class SignIn(Protocol):
    """Passwords and sessions (ASVS 7). Tokens carry at least 128 bits and are stored hashed."""

    def verify(self, login: str, password: str, address: str) -> SignInResult:
        """Check a password; throttled by login and by peer address, in equal time whether the login exists or not."""
        ...

    def open_session(self, staff_id: StaffId, opening: Opening = ...) -> str:
        """Open a session and return its token; it may wait for a second step first."""
        ...

    def close_session(self, token: str) -> None:
        """End a session at once; an unknown token is ignored."""
        ...

    def session(self, token: str, *, is_activity: bool) -> SessionView | None:
        """Return the session in force, or None. Background refreshes pass `is_activity=False`: they keep nobody in."""
        ...


class Cards(Protocol):
    """The plastic."""

    def search(self, text: str, page: int) -> Page[CardRow]:
        """Find cards by number or holder; an empty text lists all, newest first."""
        ...

    def get(self, card_id: CardId) -> CardView | None:
        """Return one card, or None if unknown or of another site."""
        ...

    def block(self, card_id: CardId, reason: BlockReason, actor: StaffId) -> CardChange:
        """Block a card: refused everywhere within a second (I6)."""
        ...

    def unblock(self, card_id: CardId, actor: StaffId) -> CardChange:
        """Put a blocked card back into use."""
        ...


class People(Protocol):
    """Cardholders."""

    def search(self, text: str, page: int) -> Page[PersonRow]:
        """Find people by name, number or department; an empty text lists all by name."""
        ...

    def get(self, person_id: PersonId) -> PersonView | None:
        """Return one person, or None if unknown or of another site."""
        ...


class Charges(Protocol):
    """The canteen's charges."""

    def search(self, wanted: ChargeFilter, page: int) -> ChargesFound:
        """Return charges, newest first."""
        ...

    def tills(self) -> Mapping[TillId, str]:
        """Return the names of all tills, in display order."""
        ...


class Devices(Protocol):
    """The reader daemons."""

    def list(self) -> tuple[DeviceRow, ...]:
        """Return all enrolled devices in display order."""
        ...


class LiveFeed(Protocol):
    """Taps as they are decided."""

    def recent(self, count: int) -> tuple[LiveTap, ...]:
        """Return the newest `count` events, oldest first."""
        ...

    def places(self) -> Mapping[str, Place]:
        """Return lanes and tills by id, in order."""
        ...

    def subscribe(self, after_id: int) -> AsyncIterator[LiveTap]:
        """Yield every event after `after_id`, then new ones as they come, until closed. Raises if the bus is lost."""
        ...


class Overview(Protocol):
    """The day at a glance."""

    def figures(self, day: date) -> DayFigures:
        """Return the counts of a business day."""
        ...


class Run(Protocol):
    """Runs a synchronous service function in the server's executor, so that nothing blocks the event loop."""

    def __call__(
        self, function: Callable[Given, Answer], /, *args: Given.args, **kwargs: Given.kwargs
    ) -> Awaitable[Answer]:
        """Return the function's answer, or raise what it raised."""
        ...


@dataclass(frozen=True, slots=True)
class PageServices:
    """All that the pages are given."""

    run: Run
    ids: IdSource
    database: Sessions
    system: System
    site_id: SiteId
    secrets: ServerSecrets
    passwords: Passwords
    sign_in: SignIn
    overview: Overview
    live: LiveFeed
    people: People
    cards: Cards
    charges: Charges
    devices: Devices
    keys: KeyService = field(default_factory=lambda: KeyService(None))
    """Signs visitors' passes; without keys none is signed."""
    document_secret: bytes = b""
    """The key under which document numbers are hashed."""
    webhook_targets: tuple[Target, ...] = ()
    """Where webhooks may go."""
