"""The live feed: taps and device events as pages show them, read from the outbox with names put to them."""
