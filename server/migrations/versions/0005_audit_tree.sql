-- The hash tree over the audit log (security sheet, section 8). Rows get their place when they are sealed, so that
-- concurrent writers never wait for each other and cannot fork it. One sealer at a time: it holds the row in audit_tree.

create table audit_unsealed (             -- filled by a trigger in the transaction that writes the row: none is missed
    audit_id uuid primary key
);
create table audit_tree (
    one boolean primary key default true check (one),
    size bigint not null default 0,
    heads_at timestamptz                  -- when the devices' journals were last pinned
);
insert into audit_tree default values;
create table audit_leaf (
    number bigint primary key check (number >= 0),
    hash bytea not null check (length(hash) = 32),
    audit_id uuid unique,                 -- the row it seals; null for other leaves
    content text,                         -- canonical JSON of a leaf that is no audit row
    check ((audit_id is null) <> (content is null))
);
create table audit_node (                 -- roots of complete subtrees above the leaves
    level smallint not null check (level > 0),
    index bigint not null,
    hash bytea not null check (length(hash) = 32),
    primary key (level, index)
);
create table audit_journal_head (         -- the state of a device's journal that a leaf pins
    device_id uuid not null,
    epoch bigint not null,
    through bigint not null,
    leaf bigint not null,
    primary key (device_id, epoch, through)
);
create table audit_checkpoint (
    size bigint primary key,
    root bytea not null check (length(root) = 32),
    note text not null,                   -- signed, as witnesses get it
    at timestamptz not null
);
create table audit_cosignature (          -- witnesses that saw the log grow into a checkpoint
    size bigint not null,
    device_id uuid not null,
    note text not null,
    at timestamptz not null,
    primary key (size, device_id)
);
create table audit_restore (              -- restore statements, signed by two officers
    id uuid primary key,
    note text not null,
    at timestamptz not null
);

create function audit_waits_for_its_seal() returns trigger
    language plpgsql security definer set search_path = pg_catalog, public as $$
begin
    insert into public.audit_unsealed (audit_id) values (new.id);
    return null;
end $$;
create trigger waits_for_its_seal after insert on audit for each row execute function audit_waits_for_its_seal();
insert into audit_unsealed select id from audit;

create trigger append_only before update or delete on audit_leaf for each row execute function refuse_change();
create trigger append_only before update or delete on audit_node for each row execute function refuse_change();
create trigger append_only before update or delete on audit_checkpoint for each row execute function refuse_change();
create trigger append_only before update or delete on audit_cosignature for each row execute function refuse_change();
create trigger append_only before update or delete on audit_restore for each row execute function refuse_change();
create trigger no_truncate before truncate on audit_leaf execute function refuse_change();
create trigger no_truncate before truncate on audit_node execute function refuse_change();
create trigger no_truncate before truncate on audit_checkpoint execute function refuse_change();
create trigger no_truncate before truncate on audit_cosignature execute function refuse_change();
create trigger no_truncate before truncate on audit_restore execute function refuse_change();

grant select, insert on audit_leaf, audit_node, audit_journal_head, audit_checkpoint, audit_cosignature, audit_restore
    to onecard_app;
grant select, update on audit_tree to onecard_app;
grant select, delete on audit_unsealed to onecard_app;
