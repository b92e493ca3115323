"""The collector of a file's mistakes: a pass adds to it and goes on, so that one run reports them all."""

from collections.abc import Iterable

from lfm_arch.core.errors import Diagnostic, Place, Severity, SpecError
from lfm_arch.spec.text_error import TextError
from lfm_arch.spec.tree import Mark, Node

MAX_REPORTED = 100


class Problems:
    """Mistakes and warnings in the order they were found; the same one twice is kept once."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Diagnostic] = {}
        self.left_out = 0
        self.combined: set[Diagnostic] = set()
        """Those that are about several values together: another candidate may not have them."""

    def add(
        self,
        code: str,
        message: str,
        at: Node | Mark | Place | None = None,
        path: str = "",
        *,
        because: str = "",
        help: str = "",
        notes: tuple[str, ...] = (),
        severity: Severity = "error",
    ) -> None:
        """Note a mistake at a node, which also tells where its value came from, or at a bare place."""
        if isinstance(at, Node):
            notes = at.notes() + notes
            place: Place | None = at.mark.place()
        elif isinstance(at, Mark):
            via = at.source.via
            notes = ((f"inherited through `extends` at {via}",) if via is not None else ()) + notes
            place = at.place()
        else:
            place = at
        self.take(Diagnostic(code, message, place, path, because, help, notes, severity))

    def mistake(self, mistake: TextError, node: Node, path: str, text: str) -> None:
        """Note what one of the small languages says of the text of a scalar."""
        each = mistake.diagnostic(node.mark.place(), path, text)
        self.add(each.code, each.message, each.place, path, because=each.because, help=each.help, notes=node.notes())

    def take(self, each: Diagnostic) -> None:
        where = (each.place.file, each.place.line, each.place.column) if each.place else None
        key = (each.code, where, each.path if where is None else "", each.message)
        if key in self._found:
            return
        if len(self._found) >= MAX_REPORTED:
            self.left_out += 1
            return
        self._found[key] = each

    def extend(self, others: Iterable[Diagnostic]) -> None:
        for each in others:
            self.take(each)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(each for each in self._found.values() if each.severity == "error")

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return tuple(each for each in self._found.values() if each.severity == "warning")

    def raise_errors(self) -> None:
        """Raise all mistakes at once, in the order of the file; return when there are none."""
        errors = self.errors
        if errors:
            raise SpecError(in_order(errors, self.left_out))


def in_order(errors: Iterable[Diagnostic], left_out: int = 0) -> tuple[Diagnostic, ...]:
    """Sort mistakes by file and line; those without a place come last."""

    def key(each: Diagnostic) -> tuple[int, str, int, int]:
        place = each.place
        return (1, "", 0, 0) if place is None else (0, place.file, place.line, place.column)

    ordered = sorted(errors, key=key)
    if left_out and ordered:
        last = ordered[-1]
        note = f"{left_out} more mistakes are not shown"
        ordered[-1] = Diagnostic(
            last.code, last.message, last.place, last.path, last.because, last.help, (*last.notes, note), last.severity
        )
    return tuple(ordered)
