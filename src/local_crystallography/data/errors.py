"""The one exception that is meant for the person at the screen."""


class InputError(ValueError):
    """Something given cannot be used; the message says what came, what was expected and what to do."""
