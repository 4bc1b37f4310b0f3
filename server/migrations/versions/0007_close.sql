-- The close of business days. `books` has one row a site: its mark is what the tap path and the guard read.

create table books (
    site_id uuid primary key references site,
    closed_through date,                  -- no posting enters this business day or an earlier one
    month_locked_through date,            -- no day up to here is reopened
    check (month_locked_through is null or (closed_through is not null and closed_through >= month_locked_through))
);
create table day_close (
    id uuid primary key,
    site_id uuid not null references site,
    business_day date not null,
    revision smallint not null,           -- a reopened day is closed again under the next one
    state text not null check (state in ('closing', 'closed', 'reopened')),
    begun_by text not null,
    begun_at timestamptz not null,
    closed_by text not null default '',
    closed_at timestamptz,
    figures text,                         -- canonical JSON, hashed as it stands
    hash bytea,                           -- SHA-256 over previous and figures
    previous bytea,
    signed_by text not null default '',
    signed_at timestamptz,
    reopened_by text not null default '',
    reopened_at timestamptz,
    unique (site_id, business_day, revision),
    check ((state = 'closing') <= (closed_at is null)),
    check (state <> 'closed' or (closed_at is not null and figures is not null and hash is not null)),
    check (signed_at is null or closed_at is not null)
);
create unique index day_close_standing on day_close (site_id, business_day) where state <> 'reopened';
create table day_balance (                -- of the accounts that moved; opening is the closing of the row before
    site_id uuid not null,
    ledger_account_id uuid not null,
    business_day date not null,
    opening_fen bigint not null,
    debit_fen bigint not null,
    credit_fen bigint not null,
    closing_fen bigint not null,
    primary key (ledger_account_id, business_day),
    check (closing_fen = opening_fen - debit_fen + credit_fen)
);
create index day_balance_day on day_balance (site_id, business_day);

-- A charge that is posted in another day than it was eaten in names that day.
alter table charge add column event_day date check (event_day <> business_day);
create index charge_event_day on charge (site_id, event_day) where event_day is not null;

-- Rows come in the order of their days, so a block range index finds a day and costs an insert next to nothing.
create index transfer_days on transfer using brin (business_day, posted_at) with (pages_per_range = 32, autosummarize = on);

alter table finding add column business_day date;
alter table finding add column cause text not null default '';
alter table finding add column owner text not null default '';
alter table finding add column explanation text not null default '';
create unique index finding_of_day on finding (site_id, business_day, kind, subject)
    where business_day is not null and closed_at is null;

-- Whoever closes a day first sets the mark, then waits for those who wrote before they could see it. The lock is held
-- for no longer than that. The application's role could not take it: it has no right to change these tables.
create function await_writers_of_transfer() returns void language plpgsql security definer set search_path = public as
$$ begin lock table transfer in share mode; end $$;
create function await_writers_of_charge() returns void language plpgsql security definer set search_path = public as
$$ begin lock table charge in share mode; end $$;
revoke execute on function await_writers_of_transfer(), await_writers_of_charge() from public;
grant execute on function await_writers_of_transfer(), await_writers_of_charge() to onecard_app;
grant select, insert, update, delete on books, day_close, day_balance to onecard_app;
revoke delete on day_close, books from onecard_app;
