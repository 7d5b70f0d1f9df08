"""Workflows: what a definition says, when its trigger fires, and which of its steps comes next."""
