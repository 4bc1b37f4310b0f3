-- Refunds of charges, and charges that a till's lost journal left on paper.

create table refund (                     -- one a deed; its transfers name the charge, and the leg they give back
    id uuid primary key,
    site_id uuid not null references site,
    charge_id uuid not null,
    kind text not null check (kind in ('undo', 'office')),
    amount_fen bigint not null check (amount_fen >= 0),
    is_rest boolean not null,             -- nothing of the charge is left, so the meal was given back too
    reason text not null,
    actor text not null,
    business_day date not null,
    at timestamptz not null
);
create index refund_charge on refund (charge_id);
create index refund_day on refund (site_id, business_day);

-- Paper records stand in a journal of their own: device = the site, epoch 0, numbered without a gap.
create table paper_journal (
    site_id uuid primary key references site,
    last_seq bigint not null default 0
);
create table paper_record (
    charge_id uuid primary key,
    site_id uuid not null references site,
    slip text not null,                   -- what is printed or written on the paper
    entered_by text not null,
    reason text not null,
    at timestamptz not null,
    unique (site_id, slip)
);

create trigger append_only before update or delete on refund for each row execute function refuse_change();
create trigger no_truncate before truncate on refund execute function refuse_change();
create trigger append_only before update or delete on paper_record for each row execute function refuse_change();
create trigger no_truncate before truncate on paper_record execute function refuse_change();

grant select, insert on refund, paper_record to onecard_app;
grant select, insert, update on paper_journal to onecard_app;
