"""The link to the server: a session engine without I/O, the transfer of policy, and the driver over a WebSocket."""
