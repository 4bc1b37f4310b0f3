-- A code is shown once at the desk and works once; stored is only its SHA-256, one a person.
create table holder_code (
    person_id uuid primary key references person,
    site_id uuid not null references site,
    code_hash bytea not null,
    expires_at timestamptz not null
);
create table holder_session (              -- of cardholders; never a session of staff
    token_hash bytea primary key,
    site_id uuid not null references site,
    person_id uuid not null references person,
    created_at timestamptz not null,
    last_seen_at timestamptz not null,
    expires_at timestamptz not null
);
create index holder_session_person on holder_session (person_id);
create table meal_rating (
    charge_id uuid primary key,
    site_id uuid not null references site,
    person_id uuid not null references person,
    stars smallint not null check (stars between 1 and 5),
    at timestamptz not null
);
create index meal_rating_at on meal_rating (site_id, at);
create table complaint (
    id uuid primary key,
    site_id uuid not null references site,
    person_id uuid not null references person,
    words text not null,
    at timestamptz not null,
    answer text not null default '',
    answered_by uuid references staff,
    answered_at timestamptz
);
create index complaint_at on complaint (site_id, at);
create index complaint_person on complaint (person_id, at);
grant select, insert, update, delete on holder_code, holder_session, meal_rating to onecard_app;
grant select, insert, update on complaint to onecard_app;
