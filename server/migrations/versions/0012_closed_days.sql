-- The database refuses postings in a closed business day, whoever writes them. Once a statement, not once a row.
-- The refusal is a serialization failure on purpose: who lost the race against a close tries again, looks at the day
-- anew, and posts in the running one.

alter type charge_row add attribute event_day date;

create function refuse_closed_day() returns trigger language plpgsql set search_path = pg_catalog, public as $$
begin
    if exists (
        select from fresh f join public.books b on b.site_id = f.site_id where f.business_day <= b.closed_through
    ) then
        raise exception 'table % takes no row of a closed business day: post in the running one', tg_table_name
            using errcode = 'serialization_failure';
    end if;
    return null;
end $$;
create trigger closed_day after insert on transfer referencing new table as fresh
    for each statement execute function refuse_closed_day();
create trigger closed_day after insert on charge referencing new table as fresh
    for each statement execute function refuse_closed_day();
