-- The first schema. Every hot table carries site_id (design decision 13). Times are timestamptz, money is integer fen.
-- Names of things people define (zones, lanes, tills, meals) are slugs, unique in a site.

create table installation (
    one boolean primary key default true check (one),
    generation text not null              -- random; changes at every restore (reliability sheet, "generation")
);

create table site (
    id uuid primary key,
    slug text not null unique,
    name_en text not null,
    name_zh text not null,
    time_zone text not null default 'Asia/Shanghai',
    day_starts_seconds integer not null default 14400 check (day_starts_seconds between 0 and 86399),
    offline_limit_hours integer not null default 72 check (offline_limit_hours > 0),
    repeat_tap_seconds integer not null default 3 check (repeat_tap_seconds >= 0),
    created_at timestamptz not null
);

-- people ---------------------------------------------------------------------------------------------------
create table category (
    site_id uuid not null references site,
    id text not null,
    name_en text not null,
    name_zh text not null,
    primary key (site_id, id)
);
create table department (
    site_id uuid not null references site,
    id text not null,
    name_en text not null,
    name_zh text not null,
    primary key (site_id, id)
);
create table person (
    id uuid primary key,
    site_id uuid not null references site,
    number text not null,
    name text not null,
    initials text not null default '',    -- pinyin initials, lower case, for search
    department_id text,
    category_id text not null,
    state text not null default 'active' check (state in ('active', 'left')),
    created_at timestamptz not null,
    unique (site_id, number),
    foreign key (site_id, department_id) references department,
    foreign key (site_id, category_id) references category
);
create index person_name on person (site_id, name text_pattern_ops);
create index person_initials on person (site_id, initials text_pattern_ops);

-- access ---------------------------------------------------------------------------------------------------
create table zone (
    site_id uuid not null references site,
    id text not null,
    name_en text not null,
    name_zh text not null,
    low_assurance_allowed boolean not null default true,
    primary key (site_id, id)
);
create table schedule (
    site_id uuid not null references site,
    id text not null,
    name_en text not null,
    name_zh text not null,
    intervals jsonb not null,             -- list of cardcore.calendar.Interval
    primary key (site_id, id)
);
create table calendar_day (
    site_id uuid not null references site,
    day date not null,
    kind text not null check (kind in ('holiday', 'makeup_workday')),
    name text not null default '',
    primary key (site_id, day)
);
create table access_level (
    site_id uuid not null references site,
    id text not null,
    name_en text not null,
    name_zh text not null,
    schedule_id text not null,
    zones text[] not null,
    primary key (site_id, id),
    foreign key (site_id, schedule_id) references schedule
);
create table person_level (
    site_id uuid not null,
    person_id uuid not null references person,
    level_id text not null,
    primary key (person_id, level_id),
    foreign key (site_id, level_id) references access_level
);

-- devices --------------------------------------------------------------------------------------------------
create table device (
    id uuid primary key,
    site_id uuid not null references site,
    name text not null,
    purposes text[] not null check (purposes <@ array['gate', 'till']),
    public_key bytea not null check (length(public_key) = 32),
    record_key_sealed bytea not null,
    state text not null default 'active' check (state in ('active', 'revoked')),
    enrolled_at timestamptz not null,
    revoked_at timestamptz,
    unique (site_id, name)
);
create table enrolment_code (
    code_hash bytea primary key,          -- SHA-256 of the code; the code itself is shown once
    site_id uuid not null references site,
    name text not null,
    purposes text[] not null,
    created_by text not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create table device_epoch (
    device_id uuid not null references device,
    epoch bigint not null check (epoch > 0),
    acked_through bigint not null default 0,
    head_hash bytea not null,
    writes bigint not null default 0,     -- raised by every transaction that touches the journal
    opened_at timestamptz not null,
    closed_at timestamptz,
    primary key (device_id, epoch)
) with (fillfactor = 70);
create table device_status (
    device_id uuid primary key references device,
    connected boolean not null default false,
    last_seen_at timestamptz,
    policy_version bigint not null default 0,
    deny_version bigint not null default 0,
    software text not null default '',
    problem text not null default '',
    health jsonb not null default '{}'
) with (fillfactor = 70);
create table lane (
    site_id uuid not null references site,
    id text not null,
    name_en text not null,
    name_zh text not null,
    device_id uuid references device,
    reader text not null,
    from_zone text not null,
    to_zone text not null,
    mode text not null default 'card' check (mode in ('card', 'locked', 'free')),
    degraded text not null default 'locked' check (degraded in ('locked', 'known_cards', 'free')),
    open_window_ms integer not null default 5500 check (open_window_ms between 500 and 60000),
    pulse_ms integer not null default 300 check (pulse_ms between 100 and 2000),
    has_pass_sensor boolean not null default true,
    has_ready_input boolean not null default true,
    primary key (site_id, id),
    unique (site_id, reader),
    foreign key (site_id, from_zone) references zone,
    foreign key (site_id, to_zone) references zone
);

-- ledger: transfers are rows that move a positive amount from one account to another, so every transfer sums to zero
-- by construction; `posting` is how books are read. Only purses have a materialised balance (no hot row).
-- The rows of the tap path (transfer, charge, meal_count, record) have no foreign keys: checking them costs a third of
-- a batch's write and share-locks the stall's row; the one writer resolves every id itself, and the doctor looks.
create table account (
    id uuid primary key,
    site_id uuid not null references site,
    person_id uuid not null references person unique,
    state text not null default 'open' check (state in ('open', 'frozen', 'closed')),
    opened_at timestamptz not null
);
create table ledger_account (
    id uuid primary key,
    site_id uuid not null references site,
    role text not null check (role in ('purse', 'stall', 'cash_drawer', 'subsidy', 'opening', 'receivable')),
    name text not null,
    unique (site_id, role, name)
);
create table purse (
    id uuid primary key references ledger_account,
    site_id uuid not null references site,
    account_id uuid not null references account,
    kind text not null check (kind in ('subsidy', 'cash', 'count', 'deposit')),
    balance_fen bigint not null default 0,
    floor_fen bigint not null default 0,
    unique (account_id, kind)
) with (fillfactor = 80);
create table transfer (
    id uuid primary key,
    site_id uuid not null,
    kind text not null check (kind in ('charge', 'reversal', 'topup', 'subsidy', 'opening')),
    from_account uuid not null,
    to_account uuid not null,
    amount_fen bigint not null check (amount_fen > 0),
    from_balance_fen bigint,              -- balance after, where the account is a purse
    to_balance_fen bigint,
    charge_id uuid,
    business_day date not null,
    at timestamptz not null,              -- when it happened
    posted_at timestamptz not null,       -- when it was booked
    actor text not null,
    note text not null default '',
    check (from_account <> to_account)
);
create index transfer_from on transfer (from_account, posted_at);
create index transfer_to on transfer (to_account, posted_at);
create index transfer_charge on transfer (charge_id);
create view posting as
    select id as transfer_id, site_id, from_account as ledger_account_id, -amount_fen as amount_fen,
           from_balance_fen as balance_fen, business_day, posted_at from transfer
    union all
    select id, site_id, to_account, amount_fen, to_balance_fen, business_day, posted_at from transfer;

-- canteen --------------------------------------------------------------------------------------------------
create table stall (
    site_id uuid not null references site,
    id text not null,
    name_en text not null,
    name_zh text not null,
    primary key (site_id, id)
);
create table till (
    site_id uuid not null references site,
    id text not null,
    name_en text not null,
    name_zh text not null,
    device_id uuid references device,
    reader text not null,
    stall_id text not null,
    offline_tap_cap_fen integer not null default 5000,
    offline_card_cap integer not null default 3,
    offline_count_cap integer not null default 2000,
    offline_sum_cap_fen integer not null default 3000000,
    offline_hours_cap integer not null default 72,
    primary key (site_id, id),
    unique (site_id, reader),
    foreign key (site_id, stall_id) references stall
);
create table meal_period (
    site_id uuid not null references site,
    id text not null,
    name_en text not null,
    name_zh text not null,
    start_seconds integer not null check (start_seconds between 0 and 86399),
    end_seconds integer not null check (end_seconds between 0 and 86400),
    limit_count integer not null default 0 check (limit_count >= 0),
    primary key (site_id, id)
);
create table tariff (
    site_id uuid not null references site,
    meal_id text not null,
    stall_id text not null default '*',
    category_id text not null default '*',
    price_fen integer not null check (price_fen > 0),
    primary key (site_id, meal_id, stall_id, category_id),
    foreign key (site_id, meal_id) references meal_period
);
-- A tap key's charges are revisions: 0 charges, 1 reverses 0, 2 charges again ... In force = the last one is even.
create table charge (
    id uuid primary key,
    site_id uuid not null,
    device_id uuid not null,
    epoch bigint not null,
    seq bigint not null,
    revision smallint not null check (revision >= 0),
    reverses uuid,
    account_id uuid,                      -- null: no account was known (unknown card served offline)
    person_id uuid,
    till_id text not null,
    stall_id text not null,
    meal_id text not null,
    business_day date not null,
    amount_fen bigint not null check (amount_fen >= 0),
    offline boolean not null,
    flag text not null default '',        -- why a person should look: overdrawn, card_lost, account_closed ...
    at timestamptz not null,
    posted_at timestamptz not null,
    unique (device_id, epoch, seq, revision),
    check ((revision % 2 = 1) = (reverses is not null))
);
create index charge_day on charge (site_id, business_day, posted_at);
create index charge_person on charge (person_id, posted_at);
create table meal_count (
    account_id uuid not null,
    business_day date not null,
    meal_id text not null,
    count integer not null default 0,      -- changed by +1 and -1 in upserts, so no check stands here; the doctor looks
    sum_fen bigint not null default 0,
    primary key (account_id, business_day, meal_id)
) with (fillfactor = 80);

-- cards ----------------------------------------------------------------------------------------------------
create table card (
    id uuid primary key,
    site_id uuid not null references site,
    person_id uuid references person,
    number text not null,                 -- printed on the plastic
    product text not null check (product in ('combined', 'gate_only', 'canteen_only', 'visitor', 'contractor')),
    state text not null check (state in ('blank', 'issued', 'active', 'suspended', 'lost', 'damaged', 'returned',
                                         'revoked', 'superseded')),
    issue_no integer not null default 1,
    valid_from timestamptz,
    valid_until timestamptz,
    created_at timestamptz not null,
    changed_at timestamptz not null,
    unique (site_id, number)
);
create index card_person on card (person_id);
create table credential (
    id uuid primary key,
    site_id uuid not null references site,
    card_id uuid not null references card,
    key text not null,                    -- cardcore.ids.CredentialKey
    unique (site_id, key)
);
create index credential_card on credential (card_id);

-- policy: what the edge is told, one row an item, written in the same transaction as the rows it comes from --------
create table policy_state (
    site_id uuid primary key references site,
    version bigint not null default 0,
    item_count bigint not null default 0,
    content_hash bytea not null
);
create table policy_item (
    site_id uuid not null references site,
    key text not null,
    version bigint not null,
    body bytea not null,                  -- JSON of a cardcore.access.items.Item; empty = removed
    primary key (site_id, key)
);
create index policy_item_version on policy_item (site_id, version);

-- taps: the devices' journals as received. Append-only; a tap is the intent row, what became of it the outcome row.
create table record (
    device_id uuid not null,
    epoch bigint not null,
    seq bigint not null,
    site_id uuid not null,
    kind text not null check (kind in ('intent', 'decided', 'outcome', 'event')),
    tap_seq bigint,
    purpose text,
    place text not null default '',
    credential text,
    card_id uuid,
    person_id uuid,
    granted boolean,                      -- of an intent: the server's own decision or opinion; else the device's
    reason text,
    live boolean not null default false,  -- an intent the server was asked about in time
    offline boolean,
    outcome text,
    amount_fen bigint not null default 0,
    balance_fen bigint,
    meal_id text not null default '',
    policy_version bigint not null default 0,
    at timestamptz not null,
    received_at timestamptz not null,
    hash bytea not null,
    previous bytea not null,
    mac bytea not null,
    body bytea not null,                  -- as the device wrote it
    primary key (device_id, epoch, seq)
);
create index record_at on record (site_id, received_at);
create index record_person on record (person_id, at) where person_id is not null;
create index record_outcome on record (device_id, epoch, tap_seq) where kind = 'outcome';
create table record_arrival (             -- a repeat is itself a write (reliability sheet, P7)
    id uuid primary key,
    device_id uuid not null,
    epoch bigint not null,
    seq bigint not null,
    arrived_at timestamptz not null
);
create table quarantine (
    id uuid primary key,
    site_id uuid not null,
    device_id uuid not null,
    epoch bigint not null,
    seq bigint not null,
    why text not null,
    hash bytea not null,
    previous bytea not null,
    body bytea not null,
    received_at timestamptz not null,
    closed_at timestamptz,
    closed_by text,
    unique (device_id, epoch, seq, hash)
);
create table finding (
    id uuid primary key,
    site_id uuid not null,
    kind text not null,
    subject text not null,
    detail jsonb not null default '{}',
    opened_at timestamptz not null,
    closed_at timestamptz,
    closed_by text
);
create index finding_open on finding (site_id, opened_at) where closed_at is null;

-- outbox: what other processes and pages must hear; a row carries the events of one transaction -------------------
create table outbox (
    id uuid primary key,
    site_id uuid not null,
    topic text not null,
    payload json not null,                -- kept as text: it is passed on, never searched
    created_at timestamptz not null,
    number bigint                         -- given by the pump, in the order of publication; gap-free a site
);
create index outbox_waiting on outbox (created_at, id) where number is null;
create unique index outbox_number on outbox (site_id, number) where number is not null;
create table outbox_head (
    site_id uuid primary key references site,
    number bigint not null default 0
);

-- staff and audit ------------------------------------------------------------------------------------------
create table staff (
    id uuid primary key,
    site_id uuid not null references site,
    login text not null unique,
    name text not null,
    password_hash text not null,
    roles text[] not null,
    language text not null default 'zh-CN',
    state text not null default 'active' check (state in ('active', 'disabled')),
    failures integer not null default 0,
    locked_until timestamptz,
    created_at timestamptz not null
);
create table staff_session (
    token_hash bytea primary key,
    staff_id uuid not null references staff,
    created_at timestamptz not null,
    last_seen_at timestamptz not null,
    expires_at timestamptz not null,
    address text not null default ''
);
create table login_failure (
    address text not null,
    at timestamptz not null
);
create index login_failure_address on login_failure (address, at);
create table audit (
    id uuid primary key,
    site_id uuid,
    actor text not null,
    action text not null,
    object text not null,
    before jsonb,
    after jsonb,
    reason text not null default '',
    at timestamptz not null
);
create index audit_at on audit (at);
create index audit_object on audit (object, at);

-- append-only, twice: the application's role has no UPDATE or DELETE here, and a trigger refuses anybody's ---------
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'table % is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;
create trigger append_only before update or delete on transfer for each row execute function refuse_change();
create trigger append_only before update or delete on charge for each row execute function refuse_change();
create trigger append_only before update or delete on record for each row execute function refuse_change();
create trigger append_only before update or delete on audit for each row execute function refuse_change();
create trigger no_truncate before truncate on transfer execute function refuse_change();
create trigger no_truncate before truncate on charge execute function refuse_change();
create trigger no_truncate before truncate on record execute function refuse_change();
create trigger no_truncate before truncate on audit execute function refuse_change();

do $$ begin
    if not exists (select from pg_roles where rolname = 'onecard_app') then
        create role onecard_app nologin;
    end if;
end $$;
grant usage on schema public to onecard_app;
grant select, insert, update, delete on all tables in schema public to onecard_app;
revoke update, delete on transfer, charge, record, record_arrival, audit from onecard_app;
