"""Style and script, written into every page."""

from importlib import resources


def read(name: str) -> str:
    """Return the text of one of the files here."""
    return (resources.files(__name__) / name).read_text(encoding="utf-8")
