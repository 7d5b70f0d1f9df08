"""Benchmarks: what the hub costs, against a really running hub. See docs/performance.md."""
