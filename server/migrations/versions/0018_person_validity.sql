-- People come and go by dates; their cards are good within these at most. And which devices hold a reading key.

alter table person add column valid_from timestamptz;
alter table person add column valid_until timestamptz check (valid_until > valid_from);

create table edge_key (
    id uuid primary key,
    site_id uuid not null references site,
    device_id uuid not null references device,
    role text not null check (role in ('gate_read', 'canteen_read')),
    epochs integer[] not null,
    made_by text not null,
    made_at timestamptz not null,
    revoked_at timestamptz
);
create index edge_key_device on edge_key (device_id);
grant select, insert, update on edge_key to onecard_app;
