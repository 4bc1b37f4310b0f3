-- Rules of a zone: see cardcore.access.items.ZoneItem.
alter table zone add column passback text not null default 'none' check (passback in ('none', 'soft', 'hard'));
alter table zone add column passback_minutes integer not null default 0 check (passback_minutes between 0 and 1440);
alter table zone add column passback_forgets_hours integer not null default 168
    check (passback_forgets_hours between 1 and 8760);
alter table zone add column occupancy_limit integer not null default 0 check (occupancy_limit >= 0);
alter table zone add column occupancy_hard boolean not null default false;
alter table zone add column nightly_reset boolean not null default false;
alter table access_level add column passback_exempt boolean not null default false;
alter table access_level add column overrides_lockdown boolean not null default false;

-- The zone into which a person passed last, moved by the tap path in the order of passages. No foreign keys there.
create table presence (
    person_id uuid primary key,
    site_id uuid not null,
    zone_id text not null,
    at timestamptz not null,
    assumed boolean not null default false   -- the lane has no passage sensor: a grant counted
) with (fillfactor = 70);
create index presence_zone on presence (site_id, zone_id);

-- What is known of a zone beyond the people in it: heads that nobody can name, and whether its contents are certain.
create table zone_state (
    site_id uuid not null,
    zone_id text not null,
    unknown integer not null default 0 check (unknown >= 0),
    uncertain_since timestamptz,             -- fire, power cut, free passage; hard anti-passback acts as soft
    reset_on date,                           -- the business day of the last nightly reset
    primary key (site_id, zone_id)
);

create table threat_plan (
    site_id uuid not null references site,
    id text not null,
    name_en text not null,
    name_zh text not null,
    zones text[] not null check (cardinality(zones) > 0),
    rank integer not null default 0 check (rank between 0 and 100),
    effect text not null default 'lock' check (effect in ('lock', 'normal')),
    minutes integer not null default 0 check (minutes between 0 and 10080),   -- 0: until somebody ends it
    active_since timestamptz,
    active_until timestamptz,
    primary key (site_id, id),
    check (active_until is null or active_since is not null)
);
grant select, insert, update, delete on presence, zone_state, threat_plan to onecard_app;
