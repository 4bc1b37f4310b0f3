-- The life of a card: stolen and found, copies of one card by issue number, loans, products told by application, and
-- levels that two people must agree to.

alter table card drop constraint card_state_check;
alter table card add constraint card_state_check check (state in (
    'blank', 'issued', 'active', 'suspended', 'lost', 'stolen', 'found', 'damaged', 'returned', 'revoked',
    'superseded'));
alter table card add constraint card_issue_no check (issue_no between 1 and 65535);
alter table card add column uid text not null default '';      -- serial number of the chip, hex; '' where none is known
alter table card add column replaces uuid references card;     -- the copy before this one
alter table card add column lost_at timestamptz;               -- when its loss was reported
create unique index card_uid on card (site_id, uid) where uid <> '';
create unique index card_replaced_once on card (replaces) where replaces is not null;

-- A secure card carries two credentials that cannot be joined without this table. '' serves gate and canteen alike.
alter table credential add column application text not null default ''
    check (application in ('', 'gate', 'canteen'));

-- Cards on loan, out and back. A row is ended once.
create table card_loan (
    id uuid primary key,
    site_id uuid not null references site,
    card_id uuid not null references card,
    person_id uuid not null references person,
    lent_at timestamptz not null,
    due_at timestamptz not null check (due_at > lent_at),
    back_at timestamptz,
    suspended_card uuid references card       -- the holder's own card, suspended meanwhile
);
create unique index card_loan_out on card_loan (card_id) where back_at is null;
create index card_loan_due on card_loan (site_id, due_at) where back_at is null;

alter table access_level add column privileged boolean not null default false;

grant select, insert, update on card_loan to onecard_app;
