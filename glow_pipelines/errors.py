"""The error a person can act on.

Belongs here: what all such errors are. Does not: the errors, which stand beside what raises them.
"""


class Actionable(Exception):
    """Its message names what is wrong and the remedy, so that the command line shows it alone, without a traceback."""
