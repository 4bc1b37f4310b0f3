-- Which levels of a visit open only behind an escort, and since when its visitor is alone (visitor astray).
alter table visit add column led_levels text[] not null default '{}';
alter table visit add column astray_at timestamptz;
update visit v set led_levels = coalesce(
        (select array_agg(l order by l) from unnest(v.levels) l where l <> all (r.always_levels)), '{}')
    from visitor_rules r where r.site_id = v.site_id and v.escorted;

-- Hosts of visitors who went through a lane lately: [[person, instant], ...], see cardcore.access.moments.
alter table lane_moment add column hosts jsonb not null default '[]';

-- What was told of how full a zone is, so that each turn is told once (A29).
alter table zone_state add column told text not null default '' check (told in ('', 'full', 'empty'));
