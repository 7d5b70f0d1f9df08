"""Redis: what several nodes of a hub tell each other by it. All of it may be lost, and costs time alone."""
