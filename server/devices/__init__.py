"""Devices: one reader daemon's identity each. Enrolled with a one-time code, known by an Ed25519 key, revocable."""
