-- What a site no longer uses is retired, never deleted: its history keeps its name. Levels for whole groups; dated prices.
alter table zone add column retired_at timestamptz;
alter table schedule add column retired_at timestamptz;
alter table access_level add column retired_at timestamptz;
alter table lane add column retired_at timestamptz;
alter table stall add column retired_at timestamptz;
alter table till add column retired_at timestamptz;

-- a reader is free for another place once its own is retired
alter table lane drop constraint lane_site_id_reader_key;
create unique index lane_reader on lane (site_id, reader) where retired_at is null;
alter table till drop constraint till_site_id_reader_key;
create unique index till_reader on till (site_id, reader) where retired_at is null;

create table level_grant (
    site_id uuid not null,
    level_id text not null,
    kind text not null check (kind in ('category', 'department', 'product')),
    key text not null,
    primary key (site_id, level_id, kind, key),
    foreign key (site_id, level_id) references access_level
);
create index level_grant_key on level_grant (site_id, kind, key);
grant select, insert, update, delete on level_grant to onecard_app;

-- the price that holds on a business day is the newest one that has begun; year 1 = since ever
alter table tariff add column valid_from date not null default '0001-01-01';
alter table tariff drop constraint tariff_pkey;
alter table tariff add primary key (site_id, meal_id, stall_id, category_id, valid_from);
