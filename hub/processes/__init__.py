"""The hub as several processes on one machine: a supervisor, its workers, and what each tells the other."""
