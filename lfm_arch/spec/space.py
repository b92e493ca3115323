"""Spaces: a spec with decisions left open, and the candidates that it has.

space = load_space("specs/lfm-edge.yaml")
space.decisions()                                every question that could ever be asked
candidate = space.decide(lambda each: each.prior)
candidate.spec, candidate.genome, candidate.text
space.of(candidate.genome)                       the same candidate again
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from lfm_arch.core.errors import Diagnostic, Place, SpecError
from lfm_arch.spec.arch import ArchSpec
from lfm_arch.spec.assemble import Assembler
from lfm_arch.spec.decision import Ask, Decision
from lfm_arch.spec.document import Document, open_document
from lfm_arch.spec.draw import Draws
from lfm_arch.spec.form import check_form
from lfm_arch.spec.plan import BROKEN, Plan
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.scalar import Value
from lfm_arch.spec.settle import Settler, UnsettledError
from lfm_arch.spec.tree import Node

__all__ = ["Candidate", "Decision", "Space", "load_space"]


class Candidate:
    """One architecture of a space."""

    def __init__(self, spec: ArchSpec, genome: dict[str, Value]) -> None:
        self.spec = spec
        self.genome = genome
        """Decision path -> answer, of those that were asked, in order."""

    @cached_property
    def text(self) -> str:
        """The candidate as a model file."""
        from lfm_arch.spec.write import write_spec

        return write_spec(self.spec)


class Space:
    """A space, or a model, which is a space without decisions."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.plan = Plan(document)
        self.draws = Draws()
        check_form(self.plan)
        self._assembler = Assembler(self.plan)
        self.groups = self._assembler.groups
        self.checks = self._assembler.checks
        self._settle_ranges()

    @property
    def name(self) -> str:
        return str(self.document.header("name"))

    @property
    def kind(self) -> str:
        return self.document.kind

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What is legal and looks like a mistake."""
        return self.plan.problems.warnings

    def place(self, path: str) -> Place | None:
        """Return where a dotted path was written."""
        return self.plan.place(path)

    def decide(self, ask: Ask) -> Candidate:
        """Return the candidate of some answers.

        `ask` is called in an order that depends only on the answers so far, once for each path, and never for a branch
        that is not taken.

        Raises:
            SpecError: this candidate breaks a rule, or E612: an answer is none.
        """
        problems = Problems()
        settler = Settler(self.plan, self.draws, ask, problems)
        spec = self.assemble(settler)
        if spec is None:
            problems.raise_errors()
            raise AssertionError(f"{self.document.path}: no architecture and no mistake")
        return Candidate(spec, settler.genome)

    def assemble(self, settler: Settler, *, everything: bool = False) -> ArchSpec | None:
        """Return an architecture, or None with the reasons in the settler's problems."""
        spec = self._assembler.assemble(settler, everything=everything)
        if spec is not None:
            spec._locate = self.plan.place  # pyright: ignore[reportPrivateUsage]
        return spec

    def default(self) -> Candidate:
        """Return the candidate that every prior gives."""
        return self.decide(lambda decision: decision.prior)

    def of(self, genome: Mapping[str, Any]) -> Candidate:
        """Return the candidate of a genome; what it holds beyond what is asked is left unread.

        Raises:
            SpecError: E612, an answer is missing or none; or the candidate breaks a rule.
        """

        def look_up(decision: Decision) -> Any:
            if decision.path not in genome:
                raise SpecError(
                    Diagnostic(
                        "E612",
                        f"the genome has no {decision.path}",
                        path=decision.path,
                        because=f"it is {decision.domain()}",
                    )
                )
            return genome[decision.path]

        return self.decide(look_up)

    def decisions(self) -> tuple[Decision, ...]:
        """Return every question that could be asked, those for each layer up to the greatest depth."""
        return self._decisions

    @cached_property
    def _decisions(self) -> tuple[Decision, ...]:
        from lfm_arch.spec.outlook import all_decisions

        return all_decisions(self)

    def _settle_ranges(self) -> None:
        """Fix the bounds of numbers, which no decision may move."""
        problems = self.plan.problems
        settler = Settler(self.plan, self.draws, lambda decision: decision.prior, problems)
        for hole in self.plan.holes:
            if hole.kind in ("int", "float"):
                level = max(self.plan.level(each) for each in (hole.low, hole.high) if each is not None)
                before = len(problems.errors)
                self.draws.settle_range(hole, level, lambda node: _or_none(settler, node), problems)
                if len(problems.errors) > before:
                    # nothing it could be asked makes sense
                    hole.node.plan = BROKEN


def _or_none(settler: Settler, node: Node) -> Any:
    try:
        return settler.value(node)
    except UnsettledError:
        return None


def load_space(path: str | Path, sets: Sequence[str] = ()) -> Space:
    """Read a space, or a model, with every branch of every decision checked.

    Raises:
        SpecError: every mistake of the file.
    """
    from lfm_arch.spec.open_check import check_space

    space = Space(open_document(path, sets, ("model", "space")))
    check_space(space)
    space.plan.problems.raise_errors()
    return space
