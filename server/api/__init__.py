"""REST under `/api/v1`: who calls, what answers look like, what is published. Each noun brings its own `api`."""
