"""Workflows: made, begun, and told of; what they may say is in `definitions`, how their executions run in `running`."""
