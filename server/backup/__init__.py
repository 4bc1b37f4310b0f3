"""Backups that were tried, restores that say what is missing, and what daemons bring back after one.

`taking` makes a backup, `trying` restores it beside the real database and looks at the books, `restoring` puts it in
place under a new generation, `service` is the database's side of it.
"""
