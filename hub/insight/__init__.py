"""Insight: how the hub, its users and its AI models do, and what users think of answers."""
