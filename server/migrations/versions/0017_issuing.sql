-- Making cards: one row a card to make, kept as the proof of how it was made.

create table issue_job (
    id uuid primary key,
    site_id uuid not null references site,
    batch_id uuid not null,
    position integer not null check (position > 0),
    device_id uuid not null references device,
    reader text not null,
    person_id uuid not null references person,
    product text not null check (product in ('combined', 'gate_only', 'canteen_only', 'visitor', 'contractor')),
    number text not null,
    valid_from timestamptz,
    valid_until timestamptz,
    replaces uuid references card,
    state text not null check (state in ('queued', 'waiting', 'writing', 'done', 'cancelled')),
    step text not null default '',
    uid text not null default '',
    gate_id bytea,                        -- credential ids, drawn when the card is placed; unlike each other
    canteen_id bytea,
    attempts integer not null default 0,
    result text not null default '',
    detail text not null default '',
    card_id uuid references card,
    created_by text not null,
    created_at timestamptz not null,
    changed_at timestamptz not null,
    unique (batch_id, position),
    check ((state = 'done') = (card_id is not null)),
    check (gate_id is null or canteen_id is null or gate_id <> canteen_id)
);
create unique index issue_job_at_encoder on issue_job (device_id, reader) where state in ('waiting', 'writing');
create index issue_job_numbers on issue_job (site_id, number) where state in ('queued', 'waiting', 'writing');
create index issue_job_site on issue_job (site_id, created_at);

grant select, insert, update on issue_job to onecard_app;
