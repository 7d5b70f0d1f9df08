"""What the database may answer instead of doing what was asked; `models/database.py` makes these of the driver's errors."""


class DatabaseError(Exception):
    """The database did not do what was asked; nothing was written unless the subclass says otherwise."""


class DatabaseUnavailable(DatabaseError):
    """No primary within the deadline, or the connection broke before a commit was sent."""


class TookTooLong(DatabaseUnavailable):
    """A query did not end within its own time; the database is there all the same."""


class OutcomeUnknown(DatabaseError):
    """A write was sent and its answer lost, or it was made and a majority not heard of: it may or may not stand."""


class DuplicateKey(DatabaseError):
    """A unique index refused the write; the transaction, if any, is gone."""


class Conflict(DatabaseError):
    """A condition of the write no longer held, or another process wrote the same documents: try again."""


class UnusableServer(DatabaseError):
    """The server cannot do transactions; the message says what to do."""
