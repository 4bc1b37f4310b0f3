"""The key service: masters of the cards, asked by purpose, never for the bytes of a key."""
