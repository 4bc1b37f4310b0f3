"""The device link: one authenticated WebSocket a daemon, speaking `cardcore.wire`.

`endpoint` is the socket, `session` one conversation, `directory` who is connected to this process, `policy_feed` what
the edge is told of policy, `ports` what the link needs of the rest of the server.
"""
