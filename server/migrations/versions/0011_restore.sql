-- A restored database grants nothing online until the devices have brought back what it forgot.

create table restore (
    id uuid primary key,
    generation text not null unique,
    backup_made_at timestamptz not null,
    complete_through timestamptz,         -- newest change that the restored database holds
    restored_at timestamptz not null,
    released_at timestamptz,              -- null: state "restored", no online grant
    released_because text not null default ''
);
create unique index restore_open on restore ((true)) where released_at is null;
create table restore_device (
    restore_id uuid not null references restore,
    device_id uuid not null references device,
    returned_at timestamptz,              -- null: expected, not yet heard
    policy_version bigint not null default 0,
    primary key (restore_id, device_id)
);
grant select, insert, update on restore, restore_device to onecard_app;

-- One open Finding an invariant: of several processes that sweep, one pages.
create unique index finding_invariant_once on finding (site_id, subject)
    where closed_at is null and kind = 'invariant_broken';
