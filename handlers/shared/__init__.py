"""Paths that several of the documented APIs share, answered in the form of the one that is asked."""
