-- Sums of each closed day's charges, by everything a report tells apart but the person. Written with the day's close;
-- a reopened day loses its mark and is summed anew when it is closed again.

create table charge_sum (
    site_id uuid not null references site,
    business_day date not null,
    stall_id text not null,
    meal_id text not null,
    till_id text not null,
    department_id text not null,          -- of the holder, when the day was closed
    category_id text not null,            -- the same
    hour smallint not null,               -- site time
    charges bigint not null,
    reversals bigint not null,
    refunds bigint not null,
    charged bigint not null,
    reversed bigint not null,
    refunded bigint not null,
    primary key (site_id, business_day, stall_id, meal_id, till_id, department_id, category_id, hour)
);
create table charge_sum_day (
    site_id uuid not null references site,
    business_day date not null,
    primary key (site_id, business_day)
);
grant select, insert, delete on charge_sum, charge_sum_day to onecard_app;
