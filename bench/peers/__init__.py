"""WebSocket servers of others, each a process of its own, that the hub is measured beside. The hub imports none of them.

Each prints READY once it listens on 127.0.0.1:<port>, and sends a text that any socket says to all sockets.
"""
