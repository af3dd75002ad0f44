"""What a person can mend: printed as one line, without a traceback."""


class LocalError(Exception):
    """The stack can't do what was asked; the text says why and, where there is one, the remedy."""
