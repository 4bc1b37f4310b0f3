"""The SQL of visitors and visits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

Rows = Sequence[RowMapping]


def rules(session: Connection, site_id: UUID) -> RowMapping | None:
    """Return how a site takes visitors."""
    return session.execute(_RULES, {"site_id": site_id}).mappings().one_or_none()


def upsert_rules(session: Connection, row: Mapping[str, Any]) -> None:
    """Set how a site takes visitors: all columns."""
    session.execute(_UPSERT_RULES, row)


def sites_with_rules(session: Connection) -> list[UUID]:
    """Return the sites that take visitors, in order."""
    return list(session.execute(_SITES).scalars())


def visitor_by_document(session: Connection, site_id: UUID, kind: str, number_hash: bytes) -> RowMapping | None:
    """Lock and return the visitor who showed this document before, with the name."""
    parameters = {"site_id": site_id, "kind": kind, "hash": number_hash}
    return session.execute(_BY_DOCUMENT, parameters).mappings().one_or_none()


def is_visitor(session: Connection, person_id: UUID) -> bool:
    """Tell whether a person is a visitor."""
    return session.execute(_IS_VISITOR, {"person_id": person_id}).first() is not None


def insert_visitor(session: Connection, row: Mapping[str, Any]) -> None:
    """Add a visitor: all columns but `unwanted`."""
    session.execute(_INSERT_VISITOR, row)


def set_company(session: Connection, person_id: UUID, company: str) -> None:
    """Note for whom a visitor works."""
    session.execute(_SET_COMPANY, {"person_id": person_id, "company": company})


def set_unwanted(session: Connection, site_id: UUID, person_id: UUID, why: str) -> bool:
    """Note why a visitor is not let in again, or empty that; tell whether there is one."""
    parameters = {"site_id": site_id, "person_id": person_id, "why": why}
    return session.execute(_SET_UNWANTED, parameters).rowcount > 0


def insert_visit(session: Connection, row: Mapping[str, Any]) -> None:
    """Add a visit in its first state."""
    session.execute(_INSERT_VISIT, row)


def lock_visit(session: Connection, site_id: UUID, visit_id: UUID) -> RowMapping | None:
    """Lock and return a visit's own row."""
    return session.execute(_LOCK, {"site_id": site_id, "id": visit_id}).mappings().one_or_none()


def get(session: Connection, site_id: UUID, visit_id: UUID) -> RowMapping | None:
    """Return a visit with the names of visitor and host and the masked document."""
    return session.execute(_GET, {"site_id": site_id, "id": visit_id}).mappings().one_or_none()


def host_count(session: Connection, site_id: UUID, host_id: UUID, starts_at: datetime, ends_at: datetime) -> int:
    """Count a host's live visits that overlap a span."""
    parameters = {"site_id": site_id, "host_id": host_id, "starts_at": starts_at, "ends_at": ends_at}
    return int(session.execute(_HOST_COUNT, parameters).scalar_one())


def open_visit_of(session: Connection, person_id: UUID) -> UUID | None:
    """Return the visit for which a visitor carries a pass."""
    found: UUID | None = session.execute(_OPEN_OF, {"person_id": person_id}).scalar_one_or_none()
    return found


def decide(session: Connection, visit_id: UUID, state: str, by: str, at: datetime) -> None:
    """Approve, decline or cancel."""
    session.execute(_DECIDE, {"id": visit_id, "state": state, "by": by, "at": at})


def open_visit(session: Connection, visit_id: UUID, card_id: UUID, kind: str, at: datetime) -> None:
    """Note the pass that a visitor got."""
    session.execute(_OPEN, {"id": visit_id, "card_id": card_id, "kind": kind, "at": at})


def extend(session: Connection, visit_id: UUID, ends_at: datetime) -> None:
    """Let a visit end later or earlier; an alarm for the old end is over."""
    session.execute(_EXTEND, {"id": visit_id, "ends_at": ends_at})


def end(session: Connection, visit_id: UUID, values: Mapping[str, Any]) -> None:
    """End a visit: state, at, by, note."""
    session.execute(_END, {"id": visit_id, **values})


def note_passages(session: Connection, site_id: UUID, outside: str) -> Rows:
    """Note who went in and out with a pass, from where their last passage took them; return the changed visits."""
    return session.execute(_NOTE_PASSAGES, {"site_id": site_id, "outside": outside}).mappings().all()


def note_overstays(session: Connection, site_id: UUID, minutes: int, at: datetime) -> Rows:
    """Mark the visits whose visitor is inside so long after the end, and return those not marked before."""
    return session.execute(_NOTE_OVERSTAYS, {"site_id": site_id, "minutes": minutes, "at": at}).mappings().all()


def note_astray(session: Connection, site_id: UUID, outside: str, at: datetime, seconds: int) -> Rows:
    """Mark the visits whose host went elsewhere so long ago without the visitor; return those not marked before."""
    parameters = {"site_id": site_id, "outside": outside, "at": at, "seconds": seconds}
    return session.execute(_NOTE_ASTRAY, parameters).mappings().all()


def note_together(session: Connection, site_id: UUID, outside: str) -> Rows:
    """Unmark the visits whose visitor is with the host again, or outside, or over; return them."""
    return session.execute(_NOTE_TOGETHER, {"site_id": site_id, "outside": outside}).mappings().all()


def over(session: Connection, site_id: UUID, grace_minutes: int, at: datetime, limit: int) -> list[UUID]:
    """Return live visits whose time and grace are over and whose visitor is not inside, oldest first."""
    parameters = {"site_id": site_id, "minutes": grace_minutes, "at": at, "limit": limit}
    return list(session.execute(_OVER, parameters).scalars())


def search(session: Connection, wanted: Mapping[str, Any], limit: int, offset: int) -> Rows:
    """Return visits of the register, newest start first: site_id, term, prefix, since, until, states."""
    return session.execute(_SEARCH, {**wanted, "limit": limit, "offset": offset}).mappings().all()


def stream(session: Connection, wanted: Mapping[str, Any], limit: int) -> Iterator[RowMapping]:
    """Yield what `search` finds without holding it all."""
    yield from (
        session.execution_options(yield_per=500).execute(_SEARCH, {**wanted, "limit": limit, "offset": 0}).mappings()
    )


def count(session: Connection, wanted: Mapping[str, Any]) -> int:
    """Count what `search` finds."""
    return int(session.execute(_COUNT, wanted).scalar_one())


def overstays(session: Connection, site_id: UUID) -> Rows:
    """Return the open visits whose alarm was raised, longest first."""
    return session.execute(_OVERSTAYS, {"site_id": site_id}).mappings().all()


def card_in_stock(session: Connection, site_id: UUID, number: str) -> RowMapping | None:
    """Return the card with this printed number: id, number, product, state."""
    return session.execute(_CARD, {"site_id": site_id, "number": number}).mappings().one_or_none()


def blot_out(session: Connection, people: Sequence[UUID]) -> None:
    """Take the names of people who were visitors out of their rows."""
    session.execute(_BLOT_OUT, {"people": list(people)})


def delete_before(session: Connection, site_id: UUID, before: datetime, limit: int) -> list[UUID]:
    """Delete visits that ended before an instant; return the visitors who have no visit any more."""
    gone = list(session.execute(_DELETE_VISITS, {"site_id": site_id, "before": before, "limit": limit}).scalars())
    return list(session.execute(_DELETE_VISITORS, {"people": gone}).scalars()) if gone else []


_RULES = text("select * from visitor_rules where site_id = :site_id")
_SITES = text("select site_id from visitor_rules order by site_id")
_UPSERT_RULES = text("""
    insert into visitor_rules (site_id, category_id, outside_zone, levels, always_levels, approval_needed, escorted,
        early_minutes, grace_minutes, overstay_minutes, longest_hours, most_per_host, keep_days)
    values (:site_id, :category, :outside_zone, :levels, :always_levels, :approval_needed, :escorted,
        :early_minutes, :grace_minutes, :overstay_minutes, :longest_hours, :most_per_host, :keep_days)
    on conflict (site_id) do update set category_id = excluded.category_id, outside_zone = excluded.outside_zone,
        levels = excluded.levels, always_levels = excluded.always_levels, approval_needed = excluded.approval_needed,
        escorted = excluded.escorted, early_minutes = excluded.early_minutes, grace_minutes = excluded.grace_minutes,
        overstay_minutes = excluded.overstay_minutes, longest_hours = excluded.longest_hours,
        most_per_host = excluded.most_per_host, keep_days = excluded.keep_days
""")
_BY_DOCUMENT = text("""
    select v.*, p.name from visitor v join person p on p.id = v.person_id
    where v.site_id = :site_id and v.document_kind = :kind and v.document_hash = :hash for update of v
""")
_IS_VISITOR = text("select 1 from visitor where person_id = :person_id")
_INSERT_VISITOR = text("""
    insert into visitor (person_id, site_id, company, document_kind, document_mask, document_hash)
    values (:person_id, :site_id, :company, :document_kind, :document_mask, :document_hash)
""")
_SET_COMPANY = text("update visitor set company = :company where person_id = :person_id")
_SET_UNWANTED = text("update visitor set unwanted = :why where site_id = :site_id and person_id = :person_id")
_INSERT_VISIT = text("""
    insert into visit (id, site_id, person_id, host_id, purpose, levels, led_levels, escorted, reentry, plate,
        starts_at, ends_at, state, registered_at, registered_by)
    values (:id, :site_id, :person_id, :host_id, :purpose, :levels, :led_levels, :escorted, :reentry, :plate,
        :starts_at, :ends_at, :state, :registered_at, :registered_by)
""")
_LOCK = text("select * from visit where site_id = :site_id and id = :id for update")
_HOST_COUNT = text("""
    select count(*) from visit where site_id = :site_id and host_id = :host_id
        and state in ('announced', 'approved', 'open') and starts_at < :ends_at and ends_at > :starts_at
""")
_OPEN_OF = text("select id from visit where person_id = :person_id and state = 'open'")
_DECIDE = text("update visit set state = :state, decided_by = :by, decided_at = :at where id = :id")
_OPEN = text("""
    update visit set state = 'open', card_id = :card_id, pass_kind = :kind, issued_at = coalesce(issued_at, :at)
    where id = :id
""")
_EXTEND = text("update visit set ends_at = :ends_at, overstayed_at = null where id = :id")
_END = text("""
    update visit set state = :state, ended_at = :at, ended_by = :by, end_note = :note where id = :id
""")
_NOTE_PASSAGES = text("""
    update visit v set
        entered_at = coalesce(v.entered_at, case when p.zone_id <> :outside then p.at end),
        left_at = case when p.zone_id = :outside then p.at end
    from presence p
    where v.site_id = :site_id and v.state = 'open' and p.person_id = v.person_id and p.at >= v.issued_at
        and case when p.zone_id = :outside then v.left_at is distinct from p.at
            else v.entered_at is null or v.left_at is not null end
    returning v.id, v.person_id, v.reentry, v.left_at
""")
_NOTE_OVERSTAYS = text("""
    update visit set overstayed_at = :at
    where site_id = :site_id and state = 'open' and overstayed_at is null and entered_at is not null
        and left_at is null and ends_at <= :at - make_interval(mins => :minutes)
    returning id, person_id, host_id, ends_at
""")
_NOTE_ASTRAY = text("""
    update visit v set astray_at = :at
    from presence guest, presence host
    where v.site_id = :site_id and v.state = 'open' and v.led_levels <> '{}' and v.astray_at is null
        and guest.person_id = v.person_id and guest.at >= v.issued_at and guest.zone_id <> :outside
        and host.person_id = v.host_id and host.zone_id <> guest.zone_id
        and host.at > guest.at and host.at <= :at - make_interval(secs => :seconds)
    returning v.id, v.person_id, v.host_id
""")
_NOTE_TOGETHER = text("""
    update visit v set astray_at = null
    where v.site_id = :site_id and v.astray_at is not null and (v.state <> 'open' or exists (
        select 1 from presence guest join presence host on host.person_id = v.host_id
        where guest.person_id = v.person_id and guest.zone_id in (:outside, host.zone_id)))
    returning v.id
""")
_OVER = text("""
    select id from visit where site_id = :site_id and ends_at <= :at - make_interval(mins => :minutes)
        and (state in ('announced', 'approved')
             or state = 'open' and (entered_at is null or left_at is not null))
    order by ends_at, id limit :limit
""")
_VIEW = """
    select v.*, p.name, p.number, h.name as host_name, h.number as host_number, d.name_en as host_department_en,
        d.name_zh as host_department_zh, r.company, r.document_kind, r.document_mask, r.unwanted,
        c.number as card_number
    from visit v join person p on p.id = v.person_id join visitor r on r.person_id = v.person_id
    join person h on h.id = v.host_id
    left join department d on d.site_id = h.site_id and d.id = h.department_id
    left join card c on c.id = v.card_id
"""
_MATCH = """
    v.site_id = :site_id and (:term = '' or p.name like :prefix or h.name like :prefix or r.company like '%' || :prefix
        or h.number like :prefix or v.plate like upper(:prefix))
    and (cast(:since as timestamptz) is null or v.starts_at >= :since)
    and (cast(:until as timestamptz) is null or v.starts_at < :until)
    and (cardinality(cast(:states as text[])) = 0 or v.state = any(cast(:states as text[])))
"""
_GET = text(f"{_VIEW} where v.site_id = :site_id and v.id = :id")
_SEARCH = text(f"{_VIEW} where {_MATCH} order by v.starts_at desc, v.id limit :limit offset :offset")
_COUNT = text(f"""
    select count(*) from visit v join person p on p.id = v.person_id join visitor r on r.person_id = v.person_id
    join person h on h.id = v.host_id where {_MATCH}
""")  # noqa: S608 - constants of this module
_OVERSTAYS = text(f"{_VIEW} where v.site_id = :site_id and v.state = 'open' and v.overstayed_at is not null "
                  "order by v.ends_at, v.id")  # fmt: skip
_DELETE_VISITS = text("""
    delete from visit where id in (
        select id from visit where site_id = :site_id and state not in ('announced', 'approved', 'open')
            and ends_at < :before order by ends_at limit :limit
    ) returning person_id
""")
_DELETE_VISITORS = text("""
    delete from visitor r where r.person_id = any(:people)
        and not exists (select 1 from visit v where v.person_id = r.person_id) returning r.person_id
""")
_CARD = text("select id, number, product, state from card where site_id = :site_id and number = :number")
_BLOT_OUT = text("update person set name = '***', initials = '', state = 'left' where id = any(:people)")
