"""Servers that play outside companies: real sockets on loopback, the companies' wire form, faults on demand."""
