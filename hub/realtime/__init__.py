"""Sockets: connections, their queues and commands, and the broker that carries pushes to them."""
