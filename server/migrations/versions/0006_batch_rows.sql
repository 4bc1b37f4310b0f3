-- What a batch of taps writes travels as arrays of these types, encoded by `server.taps.row_bytes`, in this order of
-- fields: those of fixed size that are never null first. JSON documents cost PostgreSQL twice as much to read.
create type record_row as (
    device_id uuid, epoch bigint, seq bigint, site_id uuid, live boolean, amount_fen bigint, policy_version bigint,
    at timestamptz, received_at timestamptz, kind text, place text, meal_id text, purpose text, credential text,
    reason text, outcome text, card_id uuid, person_id uuid, tap_seq bigint, balance_fen bigint, granted boolean,
    offline boolean, hash bytea, previous bytea, mac bytea, body bytea
);
create type charge_row as (
    id uuid, site_id uuid, device_id uuid, epoch bigint, seq bigint, revision smallint, business_day date,
    amount_fen bigint, offline boolean, at timestamptz, posted_at timestamptz, till_id text, stall_id text, meal_id text,
    flag text, reverses uuid, account_id uuid, person_id uuid
);
create type transfer_row as (
    id uuid, site_id uuid, from_account uuid, to_account uuid, amount_fen bigint, business_day date, at timestamptz,
    posted_at timestamptz, kind text, actor text, note text, from_balance_fen bigint, to_balance_fen bigint,
    charge_id uuid
);
create type purse_row as (id uuid, balance_fen bigint);
create type meal_row as (account_id uuid, business_day date, meal_id text, count integer, sum_fen bigint);
create type head_row as (device_id uuid, epoch bigint, writes bigint, acked_through bigint, head_hash bytea);
create type outbox_row as (id uuid, site_id uuid, topic text, payload json, created_at timestamptz);
