"""Everything that can go wrong for a user's reason, as one small tree.

Each message says what is wrong, where, and what to do. Anything else that escapes is a bug of ours.
"""


class VerifierError(Exception):
    """Base of all errors that the package raises on purpose; the command prints them without a traceback."""


class InvalidModel(VerifierError):
    """The file is broken, hostile, or disagrees with an independent evaluator."""


class UnsupportedModel(VerifierError):
    """The file is fine, but holds something that we can't load or can't bound yet. Lists all obstacles."""


class InputError(VerifierError):
    """An argument, image, label, region or data directory does not fit."""


class Rejected(VerifierError):
    """A certificate that proves less than it says."""
