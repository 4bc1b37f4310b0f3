-- What the house pays of the first tap of a meal or day, by category, stall and meal (C26).

create table meal_subsidy (
    site_id uuid not null references site,
    stall_id text not null default '*',
    meal_id text not null default '*',
    category_id text not null default '*',
    per text not null check (per in ('meal', 'day')),
    fen integer not null default 0 check (fen between 0 and 100000000),
    percent integer not null default 0 check (percent between 0 and 100),
    primary key (site_id, stall_id, meal_id, category_id),
    check (fen + percent > 0)
);
grant select, insert, update, delete on meal_subsidy to onecard_app;
