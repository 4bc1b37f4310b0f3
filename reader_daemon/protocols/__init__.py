"""Protocol engines: bytes in, events and bytes out. Nothing in here does I/O, reads a clock or starts a thread."""
