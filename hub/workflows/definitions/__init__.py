"""What a workflow may say: checked when it is saved, read when it runs. All of it pure."""
