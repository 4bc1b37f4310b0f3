-- A worker of an outside crew; of the document only its last characters and a keyed hash.
create table crew_worker (
    person_id uuid primary key references person,
    site_id uuid not null references site,
    document_kind text not null check (document_kind in ('id_card', 'passport', 'residence', 'driving', 'other')),
    document_mask text not null,
    document_hash bytea not null check (length(document_hash) = 32),
    applied_until timestamptz,                -- when a permit of this worker begins or ends next
    unique (site_id, document_kind, document_hash)
);
create index crew_worker_due on crew_worker (site_id, applied_until) where applied_until is not null;

create table crew_permit (
    id uuid primary key,
    site_id uuid not null references site,
    firm text not null,
    work text not null,
    host_id uuid not null references person,  -- who of the site answers for the crew
    starts_on date not null,
    ends_on date not null check (ends_on >= starts_on),
    starts_at timestamptz not null,           -- the same in instants, half-open
    ends_at timestamptz not null check (ends_at > starts_at),
    levels text[] not null check (cardinality(levels) > 0),
    state text not null check (state in ('draft', 'approved', 'ended')),
    drawn_up_at timestamptz not null,
    drawn_up_by text not null,
    decided_at timestamptz,
    decided_by text not null default '',
    note text not null default ''
);
create index crew_permit_site on crew_permit (site_id, starts_on desc);

create table crew_member (
    permit_id uuid not null references crew_permit,
    person_id uuid not null references crew_worker,
    primary key (permit_id, person_id)
);
create index crew_member_person on crew_member (person_id);
grant select, insert, update, delete on crew_worker, crew_permit, crew_member to onecard_app;
