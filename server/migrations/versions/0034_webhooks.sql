-- Webhooks: where events go, how far each got, and every attempt. One process at a time sends for one: it holds `lease`.
create table webhook (
    id uuid primary key,
    site_id uuid not null references site,
    name text not null,
    url text not null,
    topics text[] not null,                  -- empty: all that can be followed
    secret bytea not null,                   -- sealed for this row
    old_secret bytea,
    old_secret_until timestamptz,
    state text not null default 'active' check (state in ('active', 'paused', 'stopped')),
    cursor bigint not null,                  -- number of the last event that was delivered or passed over
    failures integer not null default 0,     -- in a row
    failing_since timestamptz,
    next_at timestamptz not null,
    lease uuid,
    leased_until timestamptz,
    ping uuid,                               -- a test message that waits
    created_at timestamptz not null,
    delivered_at timestamptz,
    unique (site_id, name),
    check ((old_secret is null) = (old_secret_until is null)),
    check ((lease is null) = (leased_until is null)),
    check ((failures = 0) = (failing_since is null))
) with (fillfactor = 70);
create table webhook_delivery (
    id uuid primary key,
    webhook_id uuid not null references webhook on delete cascade,
    number bigint,                           -- of the event; null: a test message
    event uuid not null,
    topic text not null,
    at timestamptz not null,
    result text not null,
    status integer not null,
    took_ms integer not null,
    attempt integer not null
);
create index webhook_delivery_newest on webhook_delivery (webhook_id, id);
create index webhook_delivery_age on webhook_delivery (at);
grant select, insert, update, delete on webhook to onecard_app;
grant select, insert, delete on webhook_delivery to onecard_app;
