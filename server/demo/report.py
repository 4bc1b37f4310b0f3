"""The demo's result: what the server stored beside what the devices were seen to do, and whether the two agree."""

from __future__ import annotations

from typing import Any

from cardcore.reasons import Reason
from server.database import ReadSession
from server.demo import repository
from server.demo.site import DemoSite
from server.demo.story import CUT_LANES, IN_LANES, OUT_LANES, TILLS
from server.demo.tally import percentile
from server.ledger.invariants import all_invariants


def report(site: DemoSite) -> dict[str, Any]:
    """Return counts and invariants; to be called when the journals are drained."""

    def call(session: ReadSession) -> dict[str, Any]:
        stored = repository.counts(session, site.site_id)
        charged = repository.charges(session, site.site_id)
        broken = {
            name: [f"{violation.subject}: {violation.detail}" for violation in found]
            for name, found in all_invariants(session, site.site_id, drained=True).items()
        }
        return {
            "seed": site.seed,
            "taps": stored,
            "reasons": repository.reasons(session, site.site_id),
            "charges": charged,
            "aside": repository.aside(session, site.site_id),
            "seen_by_devices": seen(site),
            "answer_ms": answers(site),
            "restarts": {child.name: child.restarts for child in site.children.values()},
            "invariants": {name: not found for name, found in broken.items()} | witnessed(site, session, charged),
            "violations": {name: found[:10] for name, found in broken.items() if found},
        }

    return site.database.read(call, stable=True)


def seen(site: DemoSite) -> dict[str, int]:
    """Return what the devices counted themselves."""
    tally = site.tally
    return {
        "cards_presented": tally.presented.total(),
        "cards_delivered": tally.delivered.total(),
        "passages": tally.passages.total(),
        "forced_passages": tally.forced.total(),
        "pulses": tally.pulses.total(),
        "stale_pulses": tally.stale_pulses,
        "meals_confirmed": sum(tally.meals[till] for till in TILLS),
        "charges_undone": tally.undone.total(),
    }


def answers(site: DemoSite) -> dict[str, dict[str, int]]:
    """Return the times from card to lamp as the readers saw them, in ms; the lanes behind the cut line apart."""
    places: dict[str, list[int]] = {"gates": [], "gates_behind_cut": [], "tills": []}
    for reader, times in site.tally.answer_ms.items():
        kind = "tills" if reader in TILLS else "gates_behind_cut" if reader in CUT_LANES else "gates"
        places[kind] += times
    return {
        name: {
            "count": len(times),
            "p50": percentile(times, 50),
            "p95": percentile(times, 95),
            "max": max(times, default=0),
        }
        for name, times in places.items()
    }


def witnessed(site: DemoSite, session: ReadSession, charged: dict[str, int]) -> dict[str, bool]:
    """Compare the books with the devices: nothing lost between the card and the ledger, nothing made up.

    Behind the line that the story cuts a reader may show a card, and an arm let somebody through, that nobody hears
    of: the lanes there may have seen more than was recorded, never less.
    """
    tally, places = site.tally, repository.by_place(session, site.site_id)
    watched = {reader for reader in (*IN_LANES, *OUT_LANES, *TILLS) if reader not in CUT_LANES}
    return {
        "every_card_delivered_is_a_tap": all(
            tally.delivered[reader] - tally.undone[reader] == places.get(reader, (0, 0))[0] for reader in watched
        ),
        "every_passage_is_recorded": all(tally.passages[reader] == places.get(reader, (0, 0))[1] for reader in watched),
        "nothing_recorded_that_was_not_seen": all(
            tally.delivered[reader] >= taps and tally.passages[reader] >= passages
            for reader, (taps, passages) in places.items()
            if reader in CUT_LANES
        ),
        "every_meal_confirmed_is_one_charge": (
            sum(tally.meals[till] for till in TILLS) - tally.undone.total() == charged["in_force"]
        ),
        "a_charge_taken_back_is_undone_in_the_books": tally.undone.total() == charged["undone"],
        "i06_lost_card_was_refused": repository.reasons(session, site.site_id).get(Reason.CARD_LOST, 0) > 0,
        "i08_no_stale_pulse": tally.stale_pulses == 0,
        "tills_sold_while_the_server_was_away": charged["in_force_offline"] > 0,
        "nothing_quarantined": repository.aside(session, site.site_id)["quarantined"] == 0,
    }
