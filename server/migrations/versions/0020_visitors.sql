-- How a site takes visitors: one row a site; without it nobody is registered.
create table visitor_rules (
    site_id uuid primary key references site,
    category_id text not null,
    outside_zone text not null,
    levels text[] not null check (cardinality(levels) > 0),   -- a visit may have these
    always_levels text[] not null default '{}',               -- and has these: the way out
    approval_needed boolean not null default true,            -- the host, or somebody who may, says yes before a pass
    escorted boolean not null default true,                   -- what a new visit begins with
    early_minutes integer not null default 30 check (early_minutes between 0 and 1440),
    grace_minutes integer not null default 60 check (grace_minutes between 0 and 1440),
    overstay_minutes integer not null default 15 check (overstay_minutes between 0 and 1440),
    longest_hours integer not null default 12 check (longest_hours between 1 and 744),
    most_per_host integer not null default 0 check (most_per_host >= 0),   -- visitors of one host at a time; 0 = any
    keep_days integer not null default 90 check (keep_days between 1 and 3650),
    foreign key (site_id, category_id) references category,
    foreign key (site_id, outside_zone) references zone
);

-- What is known of a visitor beyond the person's row; of the document only its last characters and a keyed hash.
create table visitor (
    person_id uuid primary key references person,
    site_id uuid not null references site,
    company text not null default '',
    document_kind text not null check (document_kind in ('id_card', 'passport', 'residence', 'driving', 'other')),
    document_mask text not null,
    document_hash bytea not null check (length(document_hash) = 32),
    unwanted text not null default '',        -- why this visitor is not let in again
    unique (site_id, document_kind, document_hash)
);

create table visit (
    id uuid primary key,
    site_id uuid not null references site,
    person_id uuid not null references visitor,
    host_id uuid not null references person,
    purpose text not null,
    levels text[] not null,
    escorted boolean not null,
    reentry boolean not null default false,   -- may go out and come back while the visit lasts
    plate text not null default '',
    starts_at timestamptz not null,
    ends_at timestamptz not null check (ends_at > starts_at),
    state text not null check (state in ('announced', 'approved', 'declined', 'cancelled', 'open', 'ended', 'missed')),
    registered_at timestamptz not null,
    registered_by text not null,
    decided_at timestamptz,
    decided_by text not null default '',
    card_id uuid references card,
    pass_kind text not null default '' check (pass_kind in ('', 'qr', 'card')),
    issued_at timestamptz,
    entered_at timestamptz,
    left_at timestamptz,
    overstayed_at timestamptz,                -- when the alarm was raised
    ended_at timestamptz,
    ended_by text not null default '',
    end_note text not null default ''
);
create index visit_live on visit (site_id, ends_at) where state in ('announced', 'approved', 'open');
create unique index visit_open on visit (person_id) where state = 'open';
create index visit_start on visit (site_id, starts_at desc);
grant select, insert, update, delete on visitor_rules, visitor, visit to onecard_app;
