-- Photos of people, decoded and written anew, and files between their upload and their import.

create table person_photo (
    person_id uuid primary key references person,
    site_id uuid not null references site,
    content bytea not null check (octet_length(content) <= 262144),   -- JPEG
    changed_at timestamptz not null
);
create index person_photo_site on person_photo (site_id);

create table import_draft (
    id uuid primary key,
    site_id uuid not null references site,
    staff_id uuid not null references staff,
    name text not null,
    content bytea not null,
    created_at timestamptz not null
);
create index import_draft_age on import_draft (created_at);

grant select, insert, update, delete on person_photo, import_draft to onecard_app;
