"""Retiring what a site is made of, access levels of whole groups, prices with the day they begin."""

from __future__ import annotations

from alembic import op

from server.migrations.versions import run_file

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table."""
    run_file("0033_configuration.sql")


def downgrade() -> None:
    """Take them away: what was retired is back, dated prices and levels of groups are lost."""
    op.execute("""
        drop table level_grant;
        delete from tariff where valid_from > '0001-01-01';
        alter table tariff drop constraint tariff_pkey;
        alter table tariff drop column valid_from;
        alter table tariff add primary key (site_id, meal_id, stall_id, category_id);
        drop index lane_reader;
        drop index till_reader;
        alter table lane drop column retired_at;
        alter table till drop column retired_at;
        alter table stall drop column retired_at;
        alter table access_level drop column retired_at;
        alter table schedule drop column retired_at;
        alter table zone drop column retired_at;
        update lane l set reader = l.reader || '~' || l.id where exists (
            select 1 from lane o where o.site_id = l.site_id and o.reader = l.reader and o.id < l.id);
        update till l set reader = l.reader || '~' || l.id where exists (
            select 1 from till o where o.site_id = l.site_id and o.reader = l.reader and o.id < l.id);
        alter table lane add constraint lane_site_id_reader_key unique (site_id, reader);
        alter table till add constraint till_site_id_reader_key unique (site_id, reader);
    """)
