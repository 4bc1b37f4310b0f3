create table vehicle (
    id uuid primary key,
    site_id uuid not null references site,
    plate text not null,                      -- capitals, no blanks
    kind text not null check (kind in ('car', 'van', 'truck', 'motorcycle', 'other')),
    holder_id uuid not null references person,
    note text not null default '',
    plate_opens boolean not null,
    card_id uuid references card,             -- whose credential is the plate
    state text not null check (state in ('in_use', 'gone')),
    registered_at timestamptz not null,
    registered_by text not null,
    unique (site_id, plate)
);
create index vehicle_holder on vehicle (holder_id);
create table vehicle_driver (
    vehicle_id uuid not null references vehicle,
    person_id uuid not null references person,
    primary key (vehicle_id, person_id)
);
create index vehicle_driver_person on vehicle_driver (person_id);

create table garage (
    site_id uuid not null references site,
    id text not null,
    name_en text not null,
    name_zh text not null,
    capacity integer not null check (capacity > 0),
    occupied integer not null default 0 check (occupied >= 0),
    counted_at timestamptz,                   -- when a person counted last
    primary key (site_id, id)
);
create table garage_lane (
    site_id uuid not null,
    lane_id text not null,
    garage_id text not null,
    side text not null check (side in ('in', 'out')),
    primary key (site_id, lane_id),
    foreign key (site_id, lane_id) references lane,
    foreign key (site_id, garage_id) references garage
);
-- How far each journal was counted: every record once, whatever restarts.
create table garage_mark (
    device_id uuid not null,
    epoch bigint not null,
    seq bigint not null,
    primary key (device_id, epoch)
);
create table garage_flow (
    site_id uuid not null,
    garage_id text not null,
    lane_id text not null,
    business_day date not null,
    passages integer not null,
    primary key (site_id, garage_id, lane_id, business_day)
);
grant select, insert, update, delete on vehicle, vehicle_driver, garage, garage_lane, garage_mark, garage_flow
    to onecard_app;
