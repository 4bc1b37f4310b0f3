"""What is done about a device: let a new box in with a one-time code, look at one closely, revoke one."""

from __future__ import annotations

from uuid import UUID

import msgspec
import segno
from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area
from admin_web.asking import ask
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.pages.devices import repair_hints
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.ids import DeviceId
from cardcore.journal import Purpose
from server.audit.service import staff_actor
from server.database import WriteSession
from server.devices import reader_orders, repository, service
from server.devices.approved import INSTALL_KEY, InstallKey
from server.devices.models import CodeProblem, DeviceState, DeviceStatus, EnrolmentCode
from server.devices.reader_orders import MAX_MINUTES, MAX_REASON, KeyDeed, KeyRefusal, Wanted
from server.staff.roles import Permission

router = APIRouter(prefix="/devices")
READ, WRITE = frozenset({Permission.DEVICES_READ}), frozenset({Permission.DEVICES_WRITE})
AREA = Area(
    router,
    {
        "device_new": WRITE,
        "device_code": WRITE,
        "device": READ,
        "device_diagnostics": READ,
        "device_revoke": WRITE,
        "device_key": WRITE,
    },
    shown=(Purpose, CodeProblem, DeviceState, KeyDeed, KeyRefusal),
)
MAX_DEVICE_NAME = 63
MAX_READER_NAME = 32
QR_SCALE = 5


@router.get("/new", name="device_new")
async def device_new(visit: StaffVisit) -> Response:
    """Ask what the new box is called and what it is for."""
    return visit.page("devices/new.html", form=Form({}), purposes=tuple(Purpose))


@router.post("/new", name="device_code")
async def device_code(visit: StaffVisit) -> Response:
    """Make a one-time code; shown this once, as text and as a QR image."""
    form = Form(await read_form(visit.request))
    name = form.text("name", MAX_DEVICE_NAME)
    purposes = frozenset(purpose for purpose in Purpose if form.is_on(f"purpose_{purpose}"))
    if not purposes:
        form.refuse("purposes", key_of(CodeProblem.PURPOSES_MISSING))
    if form.is_good:
        actor = staff_actor(visit.actor)
        made = await visit.write(lambda session: _code(session, visit, name, purposes, actor))
        if isinstance(made, EnrolmentCode):
            image = segno.make(made.code, error="m").svg_data_uri(scale=QR_SCALE, light="#fff")
            return visit.page("devices/code.html", code=made, image=image)
        form.refuse("name", key_of(made))
    return visit.page("devices/new.html", 422, form=form, purposes=tuple(Purpose))


@router.get("/{device_id}", name="device")
async def device(visit: StaffVisit, device_id: UUID) -> Response:
    """Show one device closely; the page renews itself."""
    return await _shown(visit, device_id, Form({}))


@router.get("/{device_id}/diagnostics", name="device_diagnostics")
async def device_diagnostics(visit: StaffVisit, device_id: UUID) -> Response:
    """Hand out what the box last said about itself, as a file for whoever repairs it; it holds no name of a person."""
    status = await _status(visit, device_id)
    document = msgspec.json.format(msgspec.json.encode(status), indent=2)
    name = f"onecard-{status.name}.json".encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(document, media_type="application/json", headers=headers)


@router.post("/{device_id}/revoke", name="device_revoke")
async def device_revoke(visit: StaffVisit, device_id: UUID) -> Response:
    """Revoke a box at once: its link ends within a second and it gets nothing more."""
    status = await _status(visit, device_id)
    form = Form(await read_form(visit.request))
    actor = staff_actor(visit.actor)
    done = await visit.write(lambda session: service.revoke(session, visit.system, status.id, actor))
    if done:
        return visit.go(f"/devices/{device_id}", said="devices.revoked")
    form.refuse(WHOLE, "devices.revoked_before")
    return await _shown(visit, device_id, form, 422)


@router.post("/{device_id}/key", name="device_key")
async def device_key(visit: StaffVisit, device_id: UUID) -> Response:
    """Order something about a reader's key: install mode waits for a second person, the rest goes out at once."""
    status = await _status(visit, device_id)
    form = Form(await read_form(visit.request))
    deed, reader = form.choice("deed", KeyDeed), form.text("reader", MAX_READER_NAME)
    if not form.is_good:
        return await _shown(visit, device_id, form, 422)
    if deed is KeyDeed.INSTALL:
        minutes = form.number("minutes", 1, MAX_MINUTES)
        if await ask(visit, INSTALL_KEY, InstallKey(status.id, status.name, reader, minutes), form):
            return visit.go(f"/devices/{device_id}", said="devices.key_asked")
        return await _shown(visit, device_id, form, 422)
    order = Wanted(status.id, reader, deed, form.text("reason", MAX_REASON))
    actor = staff_actor(visit.actor)
    if form.is_good:
        given = await visit.write(
            lambda session: reader_orders.give(session, visit.system, visit.site_id, order, actor)
        )
        if isinstance(given, UUID):
            return visit.go(f"/devices/{device_id}", said="devices.key_ordered")
        form.refuse(WHOLE, key_of(given))
    return await _shown(visit, device_id, form, 422)


def _code(
    session: WriteSession, visit: Visit, name: str, purposes: frozenset[Purpose], actor: str
) -> EnrolmentCode | CodeProblem:
    slug = repository.slug_of(session, visit.site_id)
    return service.make_code(session, visit.system, slug, name, purposes, actor)


async def _status(visit: Visit, device_id: UUID) -> DeviceStatus:
    """Return a device of this site in any state; raises HTTPException 404."""
    now = visit.web.clock.now()
    rows = await visit.read(lambda session: repository.statuses(session, visit.site_id, now, with_revoked=True))
    found = next((row for row in rows if row.id == DeviceId(device_id)), None)
    if found is None:
        raise HTTPException(404)
    return found


async def _shown(visit: Visit, device_id: UUID, form: Form, status: int = 200) -> Response:
    found = await _status(visit, device_id)
    services = visit.web.services
    row = next((one for one in await services.run(services.devices.list) if one.id == found.id), None)
    orders = await visit.read(lambda session: reader_orders.newest(session, visit.system, visit.site_id, found.id))
    return visit.page(
        "devices/device.html",
        status,
        device=found,
        row=row,
        hints=repair_hints(row) if row is not None else (),
        keyed=[one for one in found.health.get("readers", ()) if one.get("key")],
        orders=orders,
        deeds=tuple(KeyDeed),
        max_minutes=MAX_MINUTES,
        figures=[(name, value) for name, value in found.health.items() if isinstance(value, int | str)],
        form=form,
    )
