"""The sites under load, written through the product's own services: the reference site with 64 tills, and a large one.

Both differ from a real site in three things that make rounds alike: a meal is being served at any hour, every meal has
one price, and accounts hold enough money for the whole run (a few stay poor, to be refused).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cardcore.access.items import CardItem, CardState, Product
from cardcore.ids import (
    CardId,
    CategoryId,
    CredentialKey,
    LaneId,
    LevelId,
    PersonId,
    SiteId,
    StallId,
    TillId,
    TransferId,
)
from cardcore.journal import Purpose
from cardcore.money import Fen
from server.access import service as access
from server.bench import rig_repository
from server.bench.daemon import DevicePlan
from server.canteen import service as canteen
from server.database import Database, WriteSession
from server.devices import repository as device_rows
from server.devices import service as devices
from server.devices.models import EnrolledDevice, EnrolmentCode
from server.ledger import repository as ledger_rows
from server.ledger.service import MAIN, Credit, business_day, ensure_ledger_account, transfer_row
from server.policy import service as policy
from server.secrets_file import ServerSecrets
from server.seed import reference_site as plan
from server.seed.card_list import SeedCard
from server.seed.service import SeededSite, seed_reference_site
from server.system import System

ACTOR = "bench"
PRICE_FEN = Fen(1_200)
RICH_FEN = Fen(50_000_000)
TILLS = 64
TILLS_A_DAEMON = 8
_HOUR = 3600
_DAY_PARTS = ((4, 10), (10, 16), (16, 22), (22, 4))
_POOR_BELOW = PRICE_FEN


@dataclass(frozen=True, slots=True)
class BenchCards:
    """What is shown at tills and lanes, by what must come of it, and what the peer needs to know of each card."""

    tills_good: tuple[str, ...]
    tills_refused: tuple[str, ...]
    gates_good: tuple[str, ...]
    gates_refused: tuple[str, ...]
    peer: tuple[tuple[str, bool, int], ...]
    """Credential, accepted at a till, balance in fen: the peer's cards."""


def write_reference(database: Database, system: System, cards: Sequence[SeedCard]) -> tuple[SeededSite, BenchCards]:
    """Write the reference site, ready for load."""
    site = seed_reference_site(database, system, cards)
    database.write(lambda session: _widen(session, system, site))
    rich = [holder for holder in site.holders if holder.account is not None and holder.opening >= _POOR_BELOW]
    poor = [holder for holder in site.holders if holder.account is not None and holder.opening < _POOR_BELOW]
    others = [holder for holder in site.holders if holder.account is None]
    strangers = [f"wiegand:34-{0xF0_0000_0000 + number:010x}" for number in range(200)]
    peer = [(str(holder.credential), True, int(holder.opening) + RICH_FEN) for holder in rich]
    peer += [(str(holder.credential), True, int(holder.opening)) for holder in poor]
    peer += [(str(holder.credential), False, 0) for holder in others]
    passing = [str(holder.credential) for holder in site.holders if holder.product == Product.COMBINED]
    return site, BenchCards(
        tuple(str(holder.credential) for holder in rich),
        (*(str(holder.credential) for holder in poor), *(str(h.credential) for h in others[:200]), *strangers),
        tuple(passing),
        tuple(strangers),
        tuple(peer),
    )


def _widen(session: WriteSession, system: System, site: SeededSite) -> None:
    """Add the tills, serve at all hours for one price, and fill the purses."""
    site_id = site.site_id
    tills = [
        canteen.Till(TillId(f"t{n:02d}"), f"Till {n}", f"{n}号消费机", f"t{n:02d}", StallId("main"))
        for n in range(1, TILLS + 1)
    ]
    meals = [
        replace(meal, start_seconds=start * _HOUR, end_seconds=end * _HOUR)
        for meal, (start, end) in zip(plan.MEALS, _DAY_PARTS, strict=True)
    ]
    tariffs = [replace(tariff, price_fen=PRICE_FEN) for tariff in plan.TARIFFS]
    problems = (
        canteen.put_tills(session, system, site_id, tills, ACTOR),
        canteen.put_meals(session, system, site_id, meals, ACTOR),
        canteen.put_tariffs(session, system, site_id, tariffs, ACTOR),
    )
    if any(problems):
        raise AssertionError(problems)
    drawer = ensure_ledger_account(session, system, site_id, "cash_drawer", MAIN)
    now, day = system.clock.now(), business_day(session, system, site_id)
    dated = {"site_id": site_id, "business_day": day, "at": now, "posted_at": now}
    purses = rig_repository.cash_purses(session, site_id)
    rows, added = [], dict[UUID, int]()
    for holder in site.holders:
        if holder.account is None or holder.opening < _POOR_BELOW:
            continue
        purse = purses[holder.account]
        credit = Credit(TransferId(system.ids.uuid7()), holder.account, RICH_FEN)
        rows.append({**transfer_row("topup", credit, (drawer, purse), RICH_FEN, ACTOR), **dated})
        added[purse] = RICH_FEN
    ledger_rows.insert_transfers(session, rows)
    ledger_rows.add_to_purses(session, added)


def write_large(database: Database, system: System, cards: int) -> tuple[SiteId, BenchCards]:
    """Write a second site with the reference site's places, and publish the items of so many cards directly."""
    levels = (LevelId("leave"), LevelId("staff"))

    def call(session: WriteSession) -> SiteId:
        site_id = access.create_site(session, system, access.NewSite("district", "District", "全区"), ACTOR)
        access.put_zones(session, system, site_id, plan.ZONES, ACTOR)
        for schedule in plan.SCHEDULES:
            access.put_schedule(session, system, site_id, schedule, ACTOR)
        for level in plan.LEVELS:
            access.put_level(session, system, site_id, level, ACTOR)
        access.put_lanes(session, system, site_id, plan.LANES, ACTOR)
        policy.publish(
            session,
            site_id,
            (
                CardItem(
                    CredentialKey(f"wiegand:34-{number:010x}"), CardId(system.ids.uuid7()),
                    PersonId(system.ids.uuid7()), Product.COMBINED, CardState.ACTIVE, CategoryId("staff"), levels,
                )
                for number in range(cards)
            ),
        )  # fmt: skip
        return site_id

    site_id = database.write(call)
    good = tuple(f"wiegand:34-{number:010x}" for number in range(0, cards, max(1, cards // 20_000)))
    strangers = tuple(f"wiegand:34-{0xF0_0000_0000 + number:010x}" for number in range(200))
    return site_id, BenchCards((), (), good, strangers, ())


def enrol_device(
    database: Database, system: System, secrets: ServerSecrets, site_slug: str, name: str, purpose: Purpose,
    places: tuple[str, ...],
) -> DevicePlan:  # fmt: skip
    """Enrol a device with a one-time code and fresh keys, and put it in charge of its lanes or tills."""
    private = Ed25519PrivateKey.from_private_bytes(system.ids.random_bytes(32))
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    record_key = system.ids.random_bytes(32)

    def call(session: WriteSession) -> tuple[EnrolledDevice, int]:
        code = devices.make_code(session, system, site_slug, name, frozenset({purpose}), ACTOR)
        assert isinstance(code, EnrolmentCode), code
        enrolled = devices.enrol(session, system, secrets, code.code, (public, record_key), ACTOR)
        assert isinstance(enrolled, EnrolledDevice), enrolled
        at_lanes = [LaneId(place) for place in places] if purpose is Purpose.GATE else []
        at_tills = [TillId(place) for place in places] if purpose is Purpose.TILL else []
        access.assign_device(session, system, enrolled.site, enrolled.device, (at_lanes, at_tills), ACTOR)
        return enrolled, policy.current_version(session, enrolled.site)

    enrolled, version = database.write(call)
    epoch = int.from_bytes(system.ids.random_bytes(7), "big") | 1
    raw = private.private_bytes_raw().hex()
    return DevicePlan(str(enrolled.device), raw, record_key.hex(), epoch, version, places)


def enrolment_code(
    database: Database, system: System, site_slug: str, name: str
) -> tuple[str, Callable[[list[str]], None]]:
    """Make a code for a gate daemon that enrols itself, and return it with what assigns it lanes afterwards."""
    purposes = frozenset({Purpose.GATE})
    made = database.write(lambda session: devices.make_code(session, system, site_slug, name, purposes, ACTOR))
    assert isinstance(made, EnrolmentCode), made

    def call(session: WriteSession, lanes: list[str]) -> None:
        site_id = access.find_site(session, site_slug)
        assert site_id is not None
        device = device_rows.active_device_named(session, site_id, name)
        assert device is not None
        access.assign_device(session, system, site_id, device, ([LaneId(lane) for lane in lanes], []), ACTOR)

    return made.code, lambda lanes: database.write(lambda session: call(session, lanes))
