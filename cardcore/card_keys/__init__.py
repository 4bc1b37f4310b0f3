"""Keys of cards, asked for by purpose: roles, the questions a dialogue asks and the answers it gets.

The default answers come from the server's key service (relay); an edge key answers the same questions in the daemon.
Pure: where masters are kept, who may ask what, and the audit are the key service's own.
"""
