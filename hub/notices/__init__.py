"""Notifications that leave the hub: the jobs that are written with them, and the ways by which they reach their users."""
