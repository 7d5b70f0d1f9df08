"""Workflows, from their definitions to what their executions come to."""
