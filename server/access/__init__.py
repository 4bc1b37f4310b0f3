"""Access: sites, zones, lanes, schedules, calendar days and access levels."""
