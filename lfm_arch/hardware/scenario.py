"""What is asked of a model: a prompt, tokens to generate, a batch, and the number formats it is deployed in."""

from dataclasses import dataclass
from math import ceil
from typing import Literal

from lfm_arch.core.errors import Diagnostic, ProfileError
from lfm_arch.core.work import Workload
from lfm_arch.hardware.formats import cache_bits, weight_format

Parallel = Literal["tensor", "pipeline", "expert"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Generate `generate` tokens after a prompt of `prompt` tokens, for `batch` sequences side by side.

    Raises:
        ProfileError: E713, a number below one; E709, an unknown format.
    """

    prompt: int = 1024
    generate: int = 256
    batch: int = 1
    weights: str = "q4_0"
    cache: str = "f16"
    memory: int | None = None
    """Bytes of memory that the device has; None for the profile's, which is the largest configuration sold."""
    chips: int = 1
    """Equal chips that hold the model together."""
    parallel: Parallel = "tensor"
    """How the model is spread over them, see `parallel`."""
    past: int = 0
    """Tokens of each sequence that are known before the prompt."""

    def __post_init__(self) -> None:
        for name in ("prompt", "generate", "batch", "chips"):
            value = getattr(self, name)
            if value < 1:
                because = "a scenario has at least one of each"
                raise ProfileError(Diagnostic("E713", f"{name}={value}", because=because, help=f"{name}=1"))
        weight_format(self.weights)
        cache_bits(self.cache)

    @property
    def context(self) -> int:
        """Positions of one sequence at the end."""
        return self.past + self.prompt + self.generate

    def passes(self) -> tuple[Workload, ...]:
        """Return the forward passes that are counted: the prompt, then the first, middle and last decoding step.

        Counts are linear in the context except where a window fills, so three steps weighed as in Simpson's rule give
        the mean over all of them.
        """
        # behind one another in a pipeline, parts of a batch keep all chips busy
        parts = min(self.batch, self.chips) if self.parallel == "pipeline" else 1
        batch = ceil(self.batch / parts)
        first, last = self.past + self.prompt, self.context - 1
        steps = (first, (first + last) // 2, last)
        return (
            Workload(batch=self.batch, tokens=self.prompt, past=self.past),
            *(Workload(batch=batch, tokens=1, past=past) for past in steps),
        )
