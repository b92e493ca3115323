"""The operators that ship, in one tuple. A new one adds its import and its line; plug-ins come by entry point."""

from typing import Annotated

from pydantic import Field

from lfm_arch.operators.base import Operator
from lfm_arch.operators.short_conv.declaration import ShortConv

OPERATORS: tuple[type[Operator], ...] = (ShortConv,)

AnyOperator = Annotated[ShortConv, Field(discriminator="type")]
