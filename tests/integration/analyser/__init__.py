"""The document analyser from outside: uploads, addresses, jobs and exports."""
