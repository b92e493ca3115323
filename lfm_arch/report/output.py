"""How a page gets onto the disk."""

from pathlib import Path

from lfm_arch.core.errors import Diagnostic, ReportError
from lfm_arch.core.files import write_atomically


def write_page(html: str, output: Path) -> Path:
    """Write a page whole or not at all, and return its path.

    Raises:
        ReportError: E962, it cannot be written.
    """
    try:
        write_atomically(output, html)
    except OSError as error:
        raise ReportError(
            Diagnostic(
                "E962",
                f"{output} cannot be written: {error.strerror or error}",
                because="a page is written whole or not at all",
                help="choose a file in a folder that can be written, with room",
            )
        ) from error
    return output
