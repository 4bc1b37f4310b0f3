"""The SQL of vehicles and drivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def lock_by_plate(session: Connection, site_id: UUID, plate: str) -> RowMapping | None:
    """Lock and return the vehicle with a plate, one that is gone included."""
    return session.execute(_BY_PLATE, {"site_id": site_id, "plate": plate}).mappings().one_or_none()


def lock(session: Connection, site_id: UUID, vehicle_id: UUID) -> RowMapping | None:
    """Lock and return a vehicle's own row."""
    return session.execute(_LOCK, {"site_id": site_id, "id": vehicle_id}).mappings().one_or_none()


def known_people(session: Connection, site_id: UUID, people: Sequence[UUID]) -> set[UUID]:
    """Return those of these people who are of the site and have not left."""
    return set(session.execute(_KNOWN, {"site_id": site_id, "people": list(people)}).scalars())


def upsert(session: Connection, row: Mapping[str, Any]) -> None:
    """Add a vehicle or change it: all columns."""
    session.execute(_UPSERT, row)


def set_card(session: Connection, vehicle_id: UUID, card_id: UUID) -> None:
    """Note the card whose credential is the plate."""
    session.execute(_SET_CARD, {"id": vehicle_id, "card_id": card_id})


def set_state(session: Connection, vehicle_id: UUID, state: str) -> None:
    """Set whether a vehicle is in use or gone."""
    session.execute(_SET_STATE, {"id": vehicle_id, "state": state})


def replace_drivers(session: Connection, vehicle_id: UUID, people: Sequence[UUID]) -> None:
    """Say who drives a vehicle besides its holder."""
    session.execute(_CLEAR_DRIVERS, {"id": vehicle_id})
    session.execute(_INSERT_DRIVERS, {"id": vehicle_id, "people": list(people)})


def search(session: Connection, site_id: UUID, term: str, limit: int, offset: int) -> Rows:
    """Find vehicles in use by plate, holder or driver; by plate."""
    parameters = {"site_id": site_id, "term": term, "prefix": _prefix(term), "limit": limit, "offset": offset}
    return session.execute(_SEARCH, parameters).mappings().all()


def count(session: Connection, site_id: UUID, term: str) -> int:
    """Count what `search` finds."""
    parameters = {"site_id": site_id, "term": term, "prefix": _prefix(term)}
    return int(session.execute(_COUNT, parameters).scalar_one())


def get(session: Connection, site_id: UUID, vehicle_id: UUID) -> RowMapping | None:
    """Return a vehicle with holder and drivers."""
    return session.execute(_GET, {"site_id": site_id, "id": vehicle_id}).mappings().one_or_none()


def of_person(session: Connection, site_id: UUID, person_id: UUID) -> Rows:
    """Return the vehicles in use that a person holds or drives, by plate."""
    return session.execute(_OF_PERSON, {"site_id": site_id, "person_id": person_id}).mappings().all()


def _prefix(term: str) -> str:
    return term.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"


_BY_PLATE = text("select * from vehicle where site_id = :site_id and plate = :plate for update")
_LOCK = text("select * from vehicle where site_id = :site_id and id = :id for update")
_KNOWN = text("""
    select id from person where site_id = :site_id and id = any(cast(:people as uuid[])) and state = 'active'
""")
_UPSERT = text("""
    insert into vehicle (id, site_id, plate, kind, holder_id, note, plate_opens, state, registered_at, registered_by)
    values (:id, :site_id, :plate, :kind, :holder_id, :note, :plate_opens, 'in_use', :registered_at, :registered_by)
    on conflict (site_id, plate) do update set kind = excluded.kind, holder_id = excluded.holder_id,
        note = excluded.note, plate_opens = excluded.plate_opens, state = 'in_use'
""")
_SET_CARD = text("update vehicle set card_id = :card_id where id = :id")
_SET_STATE = text("update vehicle set state = :state where id = :id")
_CLEAR_DRIVERS = text("delete from vehicle_driver where vehicle_id = :id")
_INSERT_DRIVERS = text("""
    insert into vehicle_driver (vehicle_id, person_id) select :id, unnest(cast(:people as uuid[]))
""")
_VIEW = """
    select v.*, p.name as holder_name, p.number as holder_number, d.name_en as department_en,
        d.name_zh as department_zh, c.state as card_state,
        coalesce((select array_agg(o.name order by o.name, o.number) from vehicle_driver r
            join person o on o.id = r.person_id where r.vehicle_id = v.id), '{}') as drivers
    from vehicle v join person p on p.id = v.holder_id
    left join department d on d.site_id = p.site_id and d.id = p.department_id left join card c on c.id = v.card_id
"""
_MATCH = """
    v.site_id = :site_id and v.state = 'in_use' and (:term = '' or v.plate like '%' || upper(:prefix)
        or exists (select 1 from person o where o.id = v.holder_id and (o.name like :prefix or o.number like :prefix))
        or exists (select 1 from vehicle_driver r join person o on o.id = r.person_id
                   where r.vehicle_id = v.id and (o.name like :prefix or o.number like :prefix)))
"""
_GET = text(f"{_VIEW} where v.site_id = :site_id and v.id = :id")
_SEARCH = text(f"{_VIEW} where {_MATCH} order by v.plate limit :limit offset :offset")
_COUNT = text(f"select count(*) from vehicle v where {_MATCH}")  # noqa: S608 - constants of this module
_OF_PERSON = text(f"""
    {_VIEW} where v.site_id = :site_id and v.state = 'in_use' and (v.holder_id = :person_id
        or exists (select 1 from vehicle_driver r where r.vehicle_id = v.id and r.person_id = :person_id))
    order by v.plate
""")  # noqa: S608 - constants of this module
