-- Credits for many at once: subsidies, meal rights, payroll, bank files, and the monthly plans that make such batches.

create table subsidy_plan (
    site_id uuid not null references site,
    id text not null,
    category_id text not null,
    purse text not null check (purse in ('subsidy', 'count')),
    amount_fen bigint not null check (amount_fen > 0),   -- meals for a count purse
    mode text not null check (mode in ('reset', 'accumulate')),
    from_month date not null,
    until_month date,
    primary key (site_id, id),
    foreign key (site_id, category_id) references category,
    check (extract(day from from_month) = 1 and (until_month is null or extract(day from until_month) = 1))
);
create unique index subsidy_plan_standing on subsidy_plan (site_id, category_id, purse) where until_month is null;

create table credit_batch (
    id uuid primary key,
    site_id uuid not null references site,
    number text not null,                 -- given by the office: the same number never books twice
    kind text not null check (kind in ('subsidy', 'meals', 'payroll', 'bank')),
    state text not null default 'draft' check (state in ('draft', 'booked', 'reversed', 'dropped')),
    content_hash bytea not null check (length(content_hash) = 32),
    lines integer not null default 0,
    total_fen bigint not null default 0,
    source text not null,                 -- file name, or the plan and month
    made_by text not null,
    made_at timestamptz not null,
    booked_at timestamptz,
    reversed_at timestamptz,
    reversed_fen bigint,
    unique (site_id, number)
);
create table credit_line (
    batch_id uuid not null references credit_batch,
    site_id uuid not null,
    line integer not null,                -- as the spreadsheet numbers it
    account_id uuid not null references account,
    amount_fen bigint not null check (amount_fen > 0),
    reference text,                       -- the bank's own number of the payment
    transfer_id uuid not null unique,     -- drawn with the draft, used when it is booked
    primary key (batch_id, line)
);
create unique index credit_line_reference on credit_line (site_id, reference) where reference is not null;
create index credit_line_account on credit_line (account_id);
create function lines_stand_once_booked() returns trigger language plpgsql as $$
begin
    if exists (select from credit_batch b where b.id = old.batch_id and b.state <> 'draft') then
        raise exception 'the lines of a booked batch are a record' using errcode = 'insufficient_privilege';
    end if;
    return old;
end $$;
create trigger append_only before update on credit_line for each row execute function refuse_change();
create trigger booked_stands before delete on credit_line for each row execute function lines_stand_once_booked();
create trigger no_truncate before truncate on credit_line execute function refuse_change();

grant select, insert, update, delete on subsidy_plan to onecard_app;
grant select, insert, update on credit_batch to onecard_app;
grant select, insert, delete on credit_line to onecard_app;
