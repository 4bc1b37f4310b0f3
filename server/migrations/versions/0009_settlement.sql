-- Stalls as businesses: dated contracts, settlement sheets, purchases.

create table stall_contract (
    site_id uuid not null,
    stall_id text not null,
    version integer not null check (version > 0),
    begins date not null,
    ends date check (ends >= begins),
    owner text not null check (owner <> ''),
    contact text not null default '',
    account text not null default '',
    commission_basis_points integer not null check (commission_basis_points between 0 and 10000),
    fee_per_charge_fen bigint not null check (fee_per_charge_fen between 0 and 10000),
    made_by text not null,
    made_at timestamptz not null,
    primary key (site_id, stall_id, version),
    unique (site_id, stall_id, begins),
    foreign key (site_id, stall_id) references stall
);
create table settlement (
    id uuid primary key,
    site_id uuid not null,
    stall_id text not null,
    from_day date not null,
    through_day date not null check (through_day >= from_day),
    lines text not null,                  -- JSON, a line a day
    charges integer not null,
    turnover_fen bigint not null,
    refunds_fen bigint not null,
    commission_fen bigint not null,
    fee_fen bigint not null,
    residue_fen bigint not null,          -- part of commission_fen; see server/settlement/models.py
    carried_fen bigint not null,
    payable_fen bigint not null,
    state text not null check (state in ('drawn', 'nothing_due', 'paid')),
    made_by text not null,
    made_at timestamptz not null,
    paid_by text not null default '',
    paid_at timestamptz,
    reference text not null default '',
    unique (site_id, stall_id, from_day),
    foreign key (site_id, stall_id) references stall,
    check (payable_fen = turnover_fen - refunds_fen - commission_fen - fee_fen + carried_fen),
    check ((state = 'paid') = (paid_at is not null)),
    check (state <> 'paid' or paid_by <> made_by)
);
create table stall_purchase (             -- what a stall bought; a wrong line is corrected by one with a negative cost
    id uuid primary key,
    site_id uuid not null,
    stall_id text not null,
    day date not null,
    meal_id text not null default '*',    -- for one meal, or for all
    document text not null,               -- the supplier's paper
    line integer not null,
    item text not null,
    supplier text not null default '',
    cost_fen bigint not null,
    made_by text not null,
    made_at timestamptz not null,
    unique (site_id, stall_id, document, line),
    foreign key (site_id, stall_id) references stall
);
create index stall_purchase_day on stall_purchase (site_id, day);
create trigger append_only before update or delete on stall_contract for each row execute function refuse_change();
create trigger append_only before update or delete on stall_purchase for each row execute function refuse_change();
create trigger no_truncate before truncate on stall_contract execute function refuse_change();
create trigger no_truncate before truncate on stall_purchase execute function refuse_change();
grant select, insert on stall_contract, stall_purchase to onecard_app;
grant select, insert, update on settlement to onecard_app;
