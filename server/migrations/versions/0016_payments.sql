-- Online payments: an order for each, and the callbacks that were taken (each signed nonce once).

create table payment_order (
    id uuid primary key,                  -- also the id of its transfer, so nothing can book it twice
    site_id uuid not null references site,
    number text not null,
    provider text not null,
    account_id uuid not null references account,
    amount_fen bigint not null check (amount_fen > 0),
    state text not null default 'pending' check (state in ('pending', 'confirmed', 'booked', 'expired')),
    reference text,                       -- the provider's own number, as its statement has it
    transfer_id uuid,
    made_by text not null,
    made_at timestamptz not null,
    expires_at timestamptz not null,
    confirmed_at timestamptz,
    asked_at timestamptz,
    unique (provider, number),
    check ((state = 'booked') = (transfer_id is not null)),
    check ((state in ('confirmed', 'booked')) = (confirmed_at is not null))
);
create index payment_order_open on payment_order (provider, made_at) where state in ('pending', 'expired');
create index payment_order_account on payment_order (account_id, made_at);
create table payment_callback (
    provider text not null,
    nonce text not null,
    number text not null,
    at timestamptz not null,
    primary key (provider, nonce)
);
grant select, insert, update on payment_order to onecard_app;
grant select, insert on payment_callback to onecard_app;
