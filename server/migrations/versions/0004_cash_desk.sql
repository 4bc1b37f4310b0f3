-- What a category may hold and owe, the shifts of a cash desk, and its receipts.

create table purse_rule (
    site_id uuid not null references site,
    category_id text not null,            -- '*' = every category without a rule of its own
    kind text not null check (kind in ('cash', 'subsidy', 'count')),
    floor_fen bigint not null default 0,  -- for new online charges; copied to the purses
    max_balance_fen bigint,               -- for credits; null = no limit
    primary key (site_id, category_id, kind)
);

create table shift (
    id uuid primary key,
    site_id uuid not null references site,
    desk text not null,
    number integer not null check (number > 0),
    operator uuid not null references staff,
    drawer uuid not null references ledger_account,
    float_fen bigint not null check (float_fen >= 0),
    handed_from uuid references shift,    -- the shift whose counted cash is this one's float
    receipts integer not null default 0,  -- numbers given out
    state text not null default 'open' check (state in ('open', 'closed')),
    opened_at timestamptz not null,
    counted_fen bigint,                   -- what the operator counted before the books were shown
    expected_fen bigint,
    closed_at timestamptz,
    unique (site_id, desk, number),
    check ((state = 'closed') = (counted_fen is not null and expected_fen is not null and closed_at is not null))
);
create unique index shift_open_desk on shift (site_id, desk) where state = 'open';
create unique index shift_open_operator on shift (operator) where state = 'open';
create index shift_opened on shift (site_id, opened_at);

create table cash_receipt (               -- one a paper slip: never changed, a reversal has its own
    transfer_id uuid primary key,
    site_id uuid not null references site,
    number text not null,
    shift_id uuid not null references shift,
    unique (site_id, number)
);
create index cash_receipt_shift on cash_receipt (shift_id);
create trigger append_only before update or delete on cash_receipt for each row execute function refuse_change();
create trigger no_truncate before truncate on cash_receipt execute function refuse_change();

grant select, insert, update, delete on purse_rule to onecard_app;
grant select, insert, update on shift to onecard_app;
grant select, insert on cash_receipt to onecard_app;
