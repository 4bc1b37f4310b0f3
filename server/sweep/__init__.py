"""The hourly sweep: the books and journals of a running server are checked, and a change of their state pages once."""
