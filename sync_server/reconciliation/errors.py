"""What can be wrong with a statement's file."""


class StatementUnreadableError(Exception):
    """A file that is no statement of this provider; the message names the line and the column, and
    nothing that stands there.
    """


class DriftFoundError(Exception):
    """The books do not agree with what happened: the run failed, and its rows say where."""
