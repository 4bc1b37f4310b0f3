"""Column mappings of accounting programs: copy one, change it, and name the copy with `--mapping`."""
