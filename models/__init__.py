"""MongoDB: a file per collection family with its shape, indexes and queries. Documents are plain dicts.

Only `database.py` imports the driver, so that its errors, options and sessions are handled in one place.
"""
