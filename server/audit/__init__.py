"""Audit: who did what to which object, written in the transaction that did it. Append-only."""
