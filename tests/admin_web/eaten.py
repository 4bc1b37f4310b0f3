"""Puts a morning's and a noon's meals on the real site, by way of the paper records that two people enter."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from cardcore.ids import ChargeId, MealId, TillId
from cardcore.money import Fen
from server.corrections.paper import PaperRefusal, PaperSlip, enter
from server.database import WriteSession
from tests.admin_web.real_site import RealSite

LUNCHES = (("t01", 1_200), ("t02", 1_500), ("t03", 1_800), ("t04", 1_000))


def eat(site: RealSite) -> list[ChargeId]:
    """Serve breakfast to half of all holders with an account and lunch to all; return the charges, lunch last."""
    holders = [holder for holder in site.seeded.holders if holder.account is not None]
    charges = []
    for number, holder in enumerate(holders):
        assert holder.account is not None
        till, fen = LUNCHES[number % len(LUNCHES)]
        meals = [("breakfast", "t01", 500, timedelta(hours=3, minutes=number))] if number % 2 else []
        for meal, place, amount, ago in [*meals, ("lunch", till, fen, timedelta(minutes=40 - number))]:
            slip = PaperSlip(
                f"{meal}-{number}", holder.account, TillId(place), MealId(meal), Fen(amount), site.now() - ago
            )
            charges.append(site.write(partial(_enter, site, slip)))
    return charges


def eat_now(site: RealSite) -> ChargeId:
    """Serve one meal of 7.70 yuan at the fourth till, this moment."""
    holder = next(holder for holder in site.seeded.holders if holder.account is not None)
    assert holder.account is not None
    slip = PaperSlip("now", holder.account, TillId("t04"), MealId("lunch"), Fen(770), site.now())
    return site.write(partial(_enter, site, slip))


def _enter(site: RealSite, slip: PaperSlip, session: WriteSession) -> ChargeId:
    made = enter(session, site.system, site.site_id, slip, "test", "the till was dead")
    assert not isinstance(made, PaperRefusal), made
    return made
