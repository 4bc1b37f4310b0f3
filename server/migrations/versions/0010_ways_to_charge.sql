-- How tills charge, whom, when and how much at most; what was chosen; what was ordered ahead. The words of modes, payers
-- and presence rules are those of cardcore/canteen/selling.py.

alter table till
    add column mode text not null default 'period'
        check (mode in ('period', 'fixed', 'keyed', 'key_value', 'menu', 'count')),
    add column amount_fen integer not null default 0 check (amount_fen between 0 and 100000000),
    add column payer text not null default 'holder' check (payer in ('holder', 'department')),
    add column ordered boolean not null default false,
    add column turns jsonb not null default '[]',           -- list of cardcore.access.items.Turn
    add column key_prices jsonb not null default '[]',      -- list of [key, fen]
    add column opening jsonb not null default '[]',         -- list of cardcore.calendar.Interval
    add column without_meal boolean not null default false,
    add column presence text not null default '' check (presence in ('', 'in_today', 'not_in_today')),
    add column zone_id text not null default '',
    add column serves_unproved boolean not null default false,
    add column undo_minutes integer not null default 5 check (undo_minutes between 0 and 60),
    add column undo_code text not null default '0' check (undo_code ~ '^[0-9]{1,6}$'),
    add column offline_list_hours_cap integer not null default 72 check (offline_list_hours_cap > 0),
    add check ((presence = '') = (zone_id = ''));

alter table meal_period
    add column counts_as text not null default '',
    add column valid_from date,
    add column valid_until date,
    add check (valid_from < valid_until);

alter table department add column credit boolean not null default false;

create table charge_limit (
    site_id uuid not null references site,
    id text not null,
    per text not null check (per in ('tap', 'meal', 'day', 'month')),
    count integer not null default 0 check (count >= 0),
    fen integer not null default 0 check (fen >= 0),
    category_id text not null default '*',
    stall_id text not null default '*',
    meal_id text not null default '*',
    soft boolean not null default false,
    primary key (site_id, id),
    check (count + fen > 0)
);
create table category_rate (
    site_id uuid not null references site,
    stall_id text not null default '*',
    category_id text not null,
    discount_percent integer not null default 0 check (discount_percent between 0 and 90),
    surcharge_percent integer not null default 0 check (surcharge_percent between 0 and 90),
    primary key (site_id, stall_id, category_id),
    foreign key (site_id, category_id) references category,
    check (discount_percent = 0 or surcharge_percent = 0)
);
create table eligibility (
    site_id uuid not null references site,
    stall_id text not null default '*',
    meal_id text not null default '*',
    categories text[] not null,
    primary key (site_id, stall_id, meal_id)
);

-- Menus: a line is published for a day and stays as it was; prices of days gone by are never changed.
create table menu_line (
    site_id uuid not null references site,
    stall_id text not null,
    day date not null,
    meal_id text not null,
    code text not null check (code ~ '^[0-9]{1,6}$'),
    name_en text not null,
    name_zh text not null,
    price_fen integer not null check (price_fen > 0),
    in_force boolean not null default true,         -- false: the day is over, boxes are not told of it any more
    published_at timestamptz not null,
    primary key (site_id, stall_id, day, meal_id, code),
    foreign key (site_id, stall_id) references stall
);
-- What was chosen at tills: the lines of each tap as its record has them. Sold = the tap's charge is in force.
create table dish_line (
    device_id uuid not null,
    epoch bigint not null,
    seq bigint not null,
    line smallint not null,
    site_id uuid not null,
    stall_id text not null,
    meal_id text not null,
    business_day date not null,
    code text not null,
    count integer not null check (count > 0),
    price_fen bigint not null,
    primary key (device_id, epoch, seq, line)
);
create index dish_line_day on dish_line (site_id, business_day, stall_id);
create trigger append_only before update or delete on dish_line for each row execute function refuse_change();
create trigger no_truncate before truncate on dish_line execute function refuse_change();

-- Meals ahead: a holder's order, collected by taps; and what a unit reports for its people.
create table meal_order (
    id uuid primary key,
    site_id uuid not null references site,
    person_id uuid not null references person,
    business_day date not null,
    meal_id text not null,
    stall_id text not null,
    portions integer not null check (portions between 0 and 20),     -- 0: cancelled
    ordered_at timestamptz not null,
    ordered_by text not null,
    unique (site_id, person_id, business_day, meal_id, stall_id),
    foreign key (site_id, stall_id) references stall
);
create index meal_order_day on meal_order (site_id, business_day, meal_id);
create table meal_forecast (
    site_id uuid not null references site,
    department_id text not null,
    business_day date not null,
    meal_id text not null,
    count integer not null check (count between 0 and 100000),
    reported_at timestamptz not null,
    reported_by text not null,
    primary key (site_id, department_id, business_day, meal_id),
    foreign key (site_id, department_id) references department
);

create table account_pin (
    account_id uuid primary key references account,
    site_id uuid not null references site,
    pin_hash text not null,               -- argon2id
    failures integer not null default 0,
    set_at timestamptz not null
);

grant select, insert, update, delete on charge_limit, category_rate, eligibility, menu_line, meal_order, meal_forecast,
    account_pin to onecard_app;
grant select, insert on dish_line to onecard_app;
