"""What the hub is told before it starts: settings, bounds, and the catalogue of AI models and plans.

Nothing here opens a connection or imports anything of ours.
"""
