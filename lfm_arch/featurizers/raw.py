"""What is refused in raw input, said once for images, video and audio."""

from lfm_arch.core.errors import Diagnostic, InputError


def refuse_input(message: str, *, because: str, help: str) -> InputError:
    """Make the error for raw input of a wrong shape or size."""
    return InputError(Diagnostic("E223", message, because=because, help=help))


def check_multiple(what: str, size: int, unit: int, unit_name: str) -> None:
    """Refuse a `size` that is no whole multiple of `unit`, or nothing at all."""
    if size < unit or size % unit:
        lower, upper = size // unit * unit, (size // unit + 1) * unit
        raise refuse_input(
            f"{what} {size} is no multiple of {unit_name}={unit}",
            because="patches cover the input without a rest",
            help=f"resize, crop or pad it to {f'{lower} or {upper}' if lower else upper}",
        )
