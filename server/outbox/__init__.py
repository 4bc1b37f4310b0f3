"""The outbox: events written with what they tell of, numbered without a gap afterwards, and published."""
