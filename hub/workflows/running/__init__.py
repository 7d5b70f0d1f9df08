"""How an execution runs: claimed, planned, done step by step, and written under its claim."""
