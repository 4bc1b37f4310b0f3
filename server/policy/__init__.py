"""Policy: what the edge is told. Turns domain rows into versioned items, in the transaction that changed the rows."""
