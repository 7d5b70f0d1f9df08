"""What a child process may do instead of its work, each a program of its own."""
