"""Putting charges and balances right: refunds, paper records, adjustments. Never an edit, always a linked row."""
