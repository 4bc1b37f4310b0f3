"""Making cards in a real Chromium, with a virtual card on an encoder: torn, finished, known; pages open to all."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from cardcore.ids import DeviceId
from cardcore.journal import Purpose
from cardcore.wire.messages import CardShown
from firmware_mocks.virtual_card.desfire.card import DesfireCard
from firmware_mocks.virtual_card.misbehaving import TornCard
from server.issuing import service
from server.issuing.models import BatchId
from server.issuing.stations import Stations
from server.staff.roles import Role
from server.taps.arrivals import LinkDevice
from tests.admin_web.chromium import DESK, PHONE, Window
from tests.admin_web.real_site import RealSite
from tests.server.issuing.encoder_rows import READER, an_encoder
from tests.server.issuing.issuing_site import Link, place, site_keys

pytestmark = [pytest.mark.timeout(240)]

TORN_AFTER_BYTES = 700


@pytest.fixture(scope="module")
def station(real_site: RealSite) -> Link:
    """Return a box with an encoder, connected to the site."""
    device = DeviceId(real_site.system.ids.uuid7())
    real_site.write(lambda session: an_encoder(session, real_site.system, real_site.site_id, device))
    stations = Stations(real_site.database, site_keys(real_site.site_id), real_site.system)
    purposes = frozenset({Purpose.GATE})
    return Link(stations, LinkDevice(device, real_site.site_id, purposes, frozenset(), bytes(32)))


def test_a_card_is_made_for_a_person_with_every_step_shown(
    browser: Browser, real_site: RealSite, served: str, station: Link
) -> None:
    holder, card = real_site.seeded.holders[4], DesfireCard(bytes.fromhex("04aabbcc112280"))
    window = Window(browser, served, real_site.token(Role.ISSUER))
    window.go(f"/people/{holder.person}")
    window.page.get_by_role("link", name="Make a card").click()
    window.page.get_by_role("button", name="Begin").click()
    expect(window.page.get_by_text(f"Lay a blank card on {READER}.")).to_be_visible()
    batch = BatchId(real_site.read(lambda session: service.open_jobs(session, station.device.id))[0]["batch_id"])

    station.look()
    place(station, TornCard(card, TORN_AFTER_BYTES))  # type: ignore[arg-type]
    expect(window.page.get_by_text("The card was moved too early.")).to_be_visible()
    assert not window.faults()
    place(station, card)
    expect(window.page.get_by_text("Done: 1 of 1 cards were made.")).to_be_visible()
    rows = real_site.read(lambda session: service.progress(session, real_site.site_id, batch))
    window.page.get_by_role("link", name="Go on").click()
    expect(window.page.locator("h1")).to_have_text(str(rows[0]["person_name"]))

    window.go("/issuing/find")
    expect(window.page.get_by_text("Lay the card on an encoder")).to_be_visible()
    shown = CardShown(READER, f"desfire:{bytes(rows[0]['gate_id']).hex()}")
    station.stations.hear(station.device, shown)
    expect(window.page.get_by_role("link", name="To the person")).to_be_visible()
    window.close()
    assert not window.complaints


@pytest.mark.parametrize(("language", "size", "dark"), [("zh-CN", PHONE, True), ("en-GB", DESK, False)])
def test_every_page_of_people_and_cards_is_open_to_all(
    browser: Browser, real_site: RealSite, served: str, language: str, size: tuple[int, int], dark: bool
) -> None:
    holder = real_site.seeded.holders[5]
    window = Window(browser, served, real_site.token(Role.ISSUER), language=language, size=size, dark=dark)
    paths = (
        "/people", f"/people/{holder.person}", "/people/new", f"/people/{holder.person}/edit",
        f"/people/{holder.person}/leave", "/people/import", f"/cards/{holder.card}", "/issuing", "/issuing/list",
        f"/issuing/new?card={holder.card}", "/issuing/find",
    )  # fmt: skip
    for path in paths:
        window.go(path)
        assert window.page.locator("h1").count() == 1, path
        assert window.fits(), path
        assert not window.faults(), path
    window.close()
    assert not window.complaints


def test_a_list_is_made_and_a_lost_card_is_replaced_in_two_clicks(
    browser: Browser, real_site: RealSite, served: str, station: Link
) -> None:
    holder = real_site.seeded.holders[6]
    window = Window(browser, served, real_site.token(Role.ISSUER))
    window.go("/issuing/list")
    window.page.get_by_label("Personnel numbers").fill("nobody")
    window.page.get_by_role("button", name="Begin").click()
    expect(window.page.get_by_text("1 numbers are nobody's: nobody")).to_be_visible()

    window.go(f"/cards/{holder.card}")
    window.page.get_by_role("button", name="Block card").click()
    window.page.locator("#block").get_by_role("button", name="Block card").click()
    expect(window.page.get_by_text("Done. Connected readers know within a second.")).to_be_visible()
    window.go(f"/cards/{holder.card}")
    window.page.get_by_role("link", name="Replace").click()
    window.page.get_by_role("button", name="Begin").click()
    station.look()
    place(station, DesfireCard(bytes.fromhex("04aabbcc112281")))
    expect(window.page.get_by_text("Done: 1 of 1 cards were made.")).to_be_visible()
    window.go(f"/cards/{holder.card}")
    expect(window.page.get_by_text("Replaced").first).to_be_visible()
    window.close()
    assert not [line for line in window.complaints if "422" not in line]  # the browser notes the form that was not good
