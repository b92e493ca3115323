"""How a long measurement ends when somebody asks for it."""


class StoppedError(Exception):
    """Somebody asked for the end before the measurement was done."""
