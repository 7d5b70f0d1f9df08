"""What the steps of executions do, by their types."""
