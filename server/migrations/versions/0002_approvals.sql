-- Separation of duties: what one person asks for, another person decides, once (security sheet, section 5).

alter table staff add column person_id uuid references person;   -- who stands behind the login; set once

create table approval (
    id uuid primary key,
    site_id uuid not null references site,
    operation text not null,
    object text not null,                 -- as in `audit`: `card:<id>`
    content text not null,                -- canonical JSON of the exact request
    content_hash bytea not null check (length(content_hash) = 32),
    reason text not null,
    maker uuid not null references staff,
    maker_person uuid not null references person,
    asked_at timestamptz not null,
    expires_at timestamptz not null,
    state text not null default 'waiting'
        check (state in ('waiting', 'executed', 'refused', 'declined', 'withdrawn', 'expired')),
    checker uuid references staff,
    checker_person uuid references person,
    decided_at timestamptz,
    outcome text not null default '',     -- of a refused one: the refusal of the operation
    check ((state = 'waiting') = (decided_at is null)),
    check (state not in ('executed', 'refused', 'declined') or checker_person is not null),
    check (checker_person <> maker_person and checker <> maker)
);
create unique index approval_waiting on approval (site_id, operation, object) where state = 'waiting';
create index approval_asked on approval (site_id, asked_at);

create function approval_is_decided_once() returns trigger language plpgsql as $$
begin
    if old.state <> 'waiting'
        or (new.id, new.site_id, new.operation, new.object, new.content, new.content_hash, new.reason, new.maker,
            new.maker_person, new.asked_at, new.expires_at)
           is distinct from
           (old.id, old.site_id, old.operation, old.object, old.content, old.content_hash, old.reason, old.maker,
            old.maker_person, old.asked_at, old.expires_at)
    then
        raise exception 'an approval is decided once and never reworded' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger decided_once before update on approval for each row execute function approval_is_decided_once();
create trigger append_only before delete on approval for each row execute function refuse_change();
create trigger no_truncate before truncate on approval execute function refuse_change();

grant select, insert, update on approval to onecard_app;
