"""Webhooks: events of the outbox, sent in order to other programs' addresses, signed, until they are taken (A71)."""
