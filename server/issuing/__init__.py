"""Issuing: jobs that turn a person and a blank card on an encoder into a card of the site."""
