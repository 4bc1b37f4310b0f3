"""Online payment: orders that wait, callbacks and polls that confirm them, and the top-up that follows, once."""
