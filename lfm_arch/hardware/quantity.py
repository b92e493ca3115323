"""Numbers of a profile: a quantity, how it is known, and where it was read."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from lfm_arch.core.errors import refuse
from lfm_arch.core.units import Bytes, BytesPerS, FlopPerS, Watts
from lfm_arch.operators.base import Part

Kind = Literal["vendor", "vendor_indirect", "aggregator_of_vendor", "secondary", "measured", "derived", "unsourced"]
"""How a number is known.

`vendor`: a vendor's document. `vendor_indirect`: a vendor's page as quoted elsewhere. `aggregator_of_vendor`: a table
that cites vendors. `secondary`: press, database or forum. `measured`: somebody measured it. `derived`: computed, with
its formula. `unsourced`: from memory; refused in a profile.
"""


def _read_day(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise refuse("E705", "", f"{value!r} is no day", help="write it as 2026-11-24") from None


Day = Annotated[date, BeforeValidator(_read_day)]


class Source(Part):
    """Where numbers were read."""

    url: str
    what: str
    """What stands there, in a few words."""
    date: Day
    """When it was read, or the date of the version that was read."""


class Figure(Part):
    """A sourced number; concrete ones add `value`."""

    kind: Kind
    source: str
    """Key in the profile's `sources`."""
    note: str = ""
    formula: str = ""
    """How a derived number was computed."""


class Bandwidth(Figure):
    """`{value: 120 GB/s, kind: vendor, source: sheet}`."""

    value: BytesPerS


class Link(Bandwidth):
    """What a chip sends to one other chip of its board, in one direction."""

    peers: Annotated[int, Field(ge=1)] = 1
    """How many others it reaches over links of their own; 1 where a switch gives all of it to any."""

    def between(self, chips: int) -> float:
        """Return what a chip can send while `chips` work together."""
        return self.value * min(self.peers, chips - 1)


class Size(Figure):
    """`{value: 24 GB, kind: vendor, source: sheet}`."""

    value: Bytes


class Peak(Figure):
    """Arithmetic per second of one number format; for integer formats read operations for FLOP."""

    value: FlopPerS
    sparse: bool = False
    """Whether the figure counts skipped zeros, as vendors' headlines do; halved by rule where it is used."""

    @property
    def dense(self) -> float:
        return self.value / 2 if self.sparse else self.value


class Power(Figure):
    """Average electrical power while a model runs, or the limit that the device keeps."""

    value: Watts
    scope: Literal["rails", "package", "board", "system", "wall"]
    """What the meter saw: two numbers of different scope cannot be compared."""
    state: Literal["load", "limit"]
    """`load`: measured while a language model ran. `limit`: the most that the device may draw."""
    unit: str | None = None
    """Compute unit that worked; None for any."""
