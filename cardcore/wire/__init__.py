"""The device link: versioned messages of one authenticated WebSocket a daemon, and their codec."""
