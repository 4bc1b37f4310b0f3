"""Stalls as businesses: contracts, settlement sheets and payouts, purchases and gross margin (C63-C65, S14)."""
