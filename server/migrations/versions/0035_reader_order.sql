-- Orders about the keys of OSDP readers. The box draws the key; none is ever here.
create table reader_order (
    id uuid primary key,
    site_id uuid not null references site,
    device_id uuid not null references device,
    reader text not null,
    kind text not null check (kind in ('install_reader_key', 'roll_reader_key', 'confirm_reader')),
    minutes integer not null default 0,
    actor text not null,
    reason text not null,
    given_at timestamptz not null,
    result text,                             -- done / refused / expired / unknown; null: no answer (yet)
    detail text not null default '',
    ended_at timestamptz
);
create index reader_order_newest on reader_order (device_id, id);
grant select, insert, update on reader_order to onecard_app;
