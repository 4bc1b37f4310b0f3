"""Taps: the devices' journals arriving, decided in order, charged, stored and answered in one commit a batch.

`arrivals` says what comes in and what goes out; `repository` is the only SQL; `ledger_sheet` and `batch` decide over
what was loaded; `service` is one transaction; `batcher` gathers whatever queued while the last commit ran.
"""
