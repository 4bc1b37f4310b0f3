"""Alarms: what somebody must look at, raised from what devices report, acknowledged by a person with a note."""
