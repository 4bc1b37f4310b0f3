-- One row an alarm that waits or was looked at; raised by the tap path (no foreign keys there) and by services.
create table alarm (
    id uuid primary key,
    site_id uuid not null,
    kind text not null,
    place text not null default '',
    subject text not null default '',        -- tells two of one kind and place apart, such as the card
    late boolean not null default false,     -- it was over the grace when it arrived: it rings nowhere
    occurrence text not null check (occurrence in ('live', 'grace', 'offline_alarm')),
    severity text not null check (severity in ('urgent', 'warning', 'fault')),
    person_id uuid,
    detail text not null default '',
    device_id uuid,
    epoch bigint,
    seq bigint,                              -- the record it came from first
    first_at timestamptz not null,
    last_at timestamptz not null,
    count integer not null default 1 check (count > 0),
    over_at timestamptz,
    raised_at timestamptz not null,
    masked boolean not null default false,
    escalated_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note text not null default '',
    check ((acknowledged_at is null) = (acknowledged_by is null))
);
create unique index alarm_open on alarm (site_id, kind, place, subject, late) where acknowledged_at is null;
create index alarm_newest on alarm (site_id, id);

create table alarm_mask (
    site_id uuid not null references site,
    kind text not null,                      -- '*' = any
    place text not null,                     -- '*' = any
    until timestamptz not null,
    actor text not null,
    reason text not null,
    primary key (site_id, kind, place)
);
grant select, insert, update on alarm to onecard_app;
grant select, insert, update, delete on alarm_mask to onecard_app;
