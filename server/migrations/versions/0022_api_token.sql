-- The token itself is stored nowhere: only its SHA-256.
create table api_token (
    id uuid primary key,
    site_id uuid not null references site,
    staff_id uuid not null references staff,
    name text not null,
    token_hash bytea not null unique,
    permissions text[] not null check (cardinality(permissions) > 0),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    used_at timestamptz                      -- to the hour: who uses it at all
);
create index api_token_staff on api_token (staff_id);
grant select, insert, update on api_token to onecard_app;
