-- Rules: see cardcore.access.items. Empty text stands for no schedule and no interlock.
alter table zone add column requires text[] not null default '{}';
alter table zone add column pairs boolean not null default false;
alter table zone add column pair_seconds integer not null default 20 check (pair_seconds between 1 and 300);
alter table access_level add column needs_escort boolean not null default false;
alter table access_level add column escorts boolean not null default false;
alter table access_level add column supervises boolean not null default false;
alter table person add column extended boolean not null default false;
alter table lane add column locked_hours text not null default '';
alter table lane add column free_hours text not null default '';
alter table lane add column first_person boolean not null default false;
alter table lane add column held text check (held in ('card', 'locked', 'free'));
alter table lane add column held_until timestamptz;
alter table lane add column interlock text not null default '';
alter table lane add column escort_seconds integer not null default 60 check (escort_seconds between 1 and 3600);
alter table lane add column extended_window_ms integer not null default 15000
    check (extended_window_ms between 1000 and 120000);
alter table lane add column held_open_ms integer not null default 0 check (held_open_ms between 0 and 600000);
alter table lane add check ((held is null) = (held_until is null));

-- What a zone may ask people to have shown, and what they have shown.
create table requirement (
    site_id uuid not null references site,
    id text not null,
    name_en text not null,
    name_zh text not null,
    primary key (site_id, id)
);
create table person_proof (
    site_id uuid not null,
    person_id uuid not null references person,
    requirement_id text not null,
    valid_from timestamptz not null,
    valid_until timestamptz not null,
    note text not null default '',
    primary key (person_id, requirement_id),
    foreign key (site_id, requirement_id) references requirement,
    check (valid_from < valid_until)
);

-- What a lane remembers between taps (cardcore.access.moments); written by the tap path, so no foreign keys.
create table lane_moment (
    site_id uuid not null,
    lane_id text not null,
    open_until timestamptz,
    waiting uuid,
    waiting_since timestamptz,
    partner uuid,
    escort uuid,
    escort_at timestamptz,
    supervised_at timestamptz,
    primary key (site_id, lane_id)
) with (fillfactor = 70);
insert into lane_moment (site_id, lane_id) select site_id, id from lane;

-- A lane opened once by an operator; carried out by the process that has the box's link, within a second.
create table lane_order (
    id uuid primary key,
    site_id uuid not null references site,
    lane_id text not null,
    device_id uuid not null references device,
    actor text not null,
    reason text not null,
    given_at timestamptz not null,
    result text,                             -- done / refused / expired / unknown; null: no answer (yet)
    detail text not null default '',
    ended_at timestamptz
);
create index lane_order_newest on lane_order (site_id, id);
grant select, insert, update, delete on requirement, person_proof, lane_moment to onecard_app;
grant select, insert, update on lane_order to onecard_app;
