"""What the steps of executions do, a module for each type of node."""
