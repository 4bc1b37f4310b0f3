-- A second step between the password and the session, and what proves it.
alter table staff add column must_set_password boolean not null default false;
alter table staff_session
    add column pending text not null default '' check (pending in ('', 'factor', 'password')),
    add column agent text not null default '',
    add column challenge bytea;
create table staff_factor (
    id uuid primary key,
    staff_id uuid not null references staff,
    kind text not null check (kind in ('totp', 'passkey')),
    name text not null,
    sealed bytea,                            -- totp: its secret, sealed for this row
    last_step bigint not null default 0,     -- totp: the newest step that was used; none is used twice
    credential_id bytea unique,              -- passkey
    public_key bytea,
    sign_count bigint not null default 0,
    created_at timestamptz not null,
    confirmed_at timestamptz,
    used_at timestamptz,
    check ((kind = 'totp') = (sealed is not null)),
    check ((kind = 'passkey') = (credential_id is not null and public_key is not null))
);
create index staff_factor_staff on staff_factor (staff_id);
create table staff_recovery_code (
    staff_id uuid not null references staff,
    code_hash bytea not null,
    used_at timestamptz,
    primary key (staff_id, code_hash)
);
-- who an outside identity provider means
create table staff_outside_login (
    issuer text not null,
    subject text not null,
    staff_id uuid not null references staff,
    created_at timestamptz not null,
    primary key (issuer, subject)
);
-- a browser on its way to the identity provider and back
create table sign_in_errand (
    state_hash bytea primary key,
    nonce text not null,
    verifier text not null,
    next text not null,
    expires_at timestamptz not null
);
grant select, insert, update, delete on staff_factor, staff_recovery_code, staff_outside_login, sign_in_errand
    to onecard_app;
