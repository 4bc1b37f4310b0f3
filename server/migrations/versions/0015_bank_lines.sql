-- What the bank says: the lines of its statements, and which of our transfers each stands for.

create table bank_line (
    id uuid primary key,
    site_id uuid not null references site,
    account text not null,                -- name of the ledger accounts of the roles bank and bank_clearing
    day date not null,
    amount_fen bigint not null check (amount_fen <> 0),  -- negative: it left the account
    reference text not null,
    note text not null default '',
    transfer_id uuid unique,
    matched_at timestamptz,
    taken_in_by text not null,
    taken_in_at timestamptz not null,
    unique (site_id, account, reference),
    check ((transfer_id is null) = (matched_at is null))
);
create index bank_line_open on bank_line (site_id, account, day) where transfer_id is null;
grant select, insert, update on bank_line to onecard_app;
