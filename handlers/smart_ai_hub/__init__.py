"""The Smart AI Hub API."""
