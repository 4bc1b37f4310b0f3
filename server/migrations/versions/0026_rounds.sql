-- Lanes whose taps mean something besides passing: assembly points, checkpoints of patrols, clocks for attendance.
create table marked_point (
    site_id uuid not null,
    lane_id text not null,
    purpose text not null check (purpose in ('assembly', 'checkpoint', 'clock')),
    primary key (site_id, lane_id, purpose),
    foreign key (site_id, lane_id) references lane
);
-- Their taps, each once, whatever was decided: being there is no access decision.
create table point_tap (
    device_id uuid not null,
    epoch bigint not null,
    seq bigint not null,
    site_id uuid not null,
    lane_id text not null,
    person_id uuid not null,
    at timestamptz not null,
    primary key (device_id, epoch, seq)
);
create index point_tap_at on point_tap (site_id, lane_id, at);
create table point_mark (device_id uuid not null, epoch bigint not null, seq bigint not null,
    primary key (device_id, epoch));

create table tour (
    site_id uuid not null references site,
    id text not null,
    name_en text not null,
    name_zh text not null,
    tolerance_minutes integer not null check (tolerance_minutes between 1 and 240),
    starts integer[] not null default '{}',   -- local seconds of the day at which a round begins by itself
    is_active boolean not null default true,
    primary key (site_id, id)
);
create table tour_checkpoint (
    site_id uuid not null,
    tour_id text not null,
    position integer not null,
    lane_id text not null,
    due_minutes integer not null check (due_minutes between 0 and 720),
    primary key (site_id, tour_id, position),
    foreign key (site_id, tour_id) references tour,
    foreign key (site_id, lane_id) references lane
);
create table tour_guard (
    site_id uuid not null,
    tour_id text not null,
    person_id uuid not null references person,
    primary key (site_id, tour_id, person_id),
    foreign key (site_id, tour_id) references tour
);
create table tour_round (
    id uuid primary key,
    site_id uuid not null references site,
    tour_id text not null,
    starts_at timestamptz not null,
    begun_by text not null,
    plan jsonb not null,                      -- the checkpoints as they were when it began
    state text not null check (state in ('running', 'done', 'incomplete', 'cancelled')),
    ended_at timestamptz,
    alarmed integer[] not null default '{}',  -- positions whose alarm was raised
    result jsonb,
    foreign key (site_id, tour_id) references tour,
    unique (site_id, tour_id, starts_at)
);
create index tour_round_running on tour_round (site_id) where state = 'running';

create table roll_call (
    id uuid primary key,
    site_id uuid not null references site,
    zones text[] not null check (cardinality(zones) > 0),
    reason text not null,
    unknown integer not null default 0,       -- heads that nobody can name
    started_at timestamptz not null,
    started_by text not null,
    ended_at timestamptz,
    ended_by text not null default '',
    end_note text not null default ''
);
create unique index roll_call_open on roll_call (site_id) where ended_at is null;
create table roll_call_person (
    call_id uuid not null references roll_call,
    person_id uuid not null references person,
    zone_id text not null default '',         -- where the person was last; empty: on no list, reported all the same
    since timestamptz,
    safe_at timestamptz,
    how text not null default '' check (how in ('', 'tap', 'left', 'hand')),
    place text not null default '',
    by_whom text not null default '',
    primary key (call_id, person_id)
);

create table work_shift (
    site_id uuid not null references site,
    id text not null,
    name_en text not null,
    name_zh text not null,
    start_seconds integer not null check (start_seconds between 0 and 86399),
    end_seconds integer not null check (end_seconds between 0 and 86400),   -- at or before the start: the next day
    weekdays integer not null check (weekdays between 1 and 127),
    late_minutes integer not null default 0 check (late_minutes between 0 and 240),
    early_minutes integer not null default 0 check (early_minutes between 0 and 240),
    primary key (site_id, id)
);
create table shift_holder (
    site_id uuid not null,
    kind text not null check (kind in ('person', 'department', 'category')),
    key text not null,
    shift_id text not null,
    primary key (site_id, kind, key),
    foreign key (site_id, shift_id) references work_shift
);
create table attendance_rules (
    site_id uuid primary key references site,
    zones text[] not null                     -- being in one of them is being at work
);
create table attendance_day (
    site_id uuid not null,
    person_id uuid not null,
    business_day date not null,
    first_in timestamptz,
    last_out timestamptz,
    primary key (site_id, business_day, person_id)
);
grant select, insert, update, delete on marked_point, point_tap, point_mark, tour, tour_checkpoint, tour_guard, tour_round,
    roll_call, roll_call_person, work_shift, shift_holder, attendance_rules, attendance_day to onecard_app;
