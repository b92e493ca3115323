"""First values of every parameter: a function of (seed, parameter name) and of nothing else.

A parameter does not depend on the order of construction, on the device, on the number of threads, or on the number
format: values are drawn in float32 on the CPU and then cast. So a model can be written to disk one part at a time and
equals the model that was built whole. (Processors of another kind may round the last bit of torch's normal numbers
differently; the hashes in a build's card tell.)

Which value?

- What a module sets to particular numbers (ones of a norm, the decay rates of a recurrence) it keeps.
- A matrix that a module leaves empty or fills at random is drawn from normal(0, 0.02), the released models' range.
- If its output is added to the stream (`OperatorModule.writes`), it is drawn from normal(0, 0.02 / sqrt(branches)),
  branches being the number of residual additions in the stack: the stream's variance is a sum over branches, and
  would otherwise grow with depth (GPT-2's rule).
- A filter with fewer than 64 inputs per output (a depthwise convolution) is drawn with the standard deviation
  1 / sqrt(3 * inputs) of torch's own convolutions: 0.02 would mute what passes through it.
- A vector that a module leaves empty or fills at random is a bias, and starts at zero.
"""

import hashlib
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

STD = 0.02
SMALL_FAN_IN = 64
CHUNK = 2**24
"""Elements drawn from one generator. Fixed for ever: another size is another model."""

_RANDOM = {Tensor.normal_, Tensor.uniform_, Tensor.exponential_, Tensor.random_, Tensor.bernoulli_}
_SETTING = {Tensor.fill_, Tensor.zero_, Tensor.copy_, Tensor.__setitem__}
_SETTING_BY_NAME = {"constant_", "ones_", "zeros_", "eye_", "dirac_"}
"""What `torch.nn.init` has that is not random."""
_EMPTY = {torch.empty, torch.empty_like}


class _Construction(TorchFunctionMode):
    """Leaves memory untouched where a module would fill it at random, and remembers where that was.

    Untouched memory costs nothing, so constructing a large module is as fast as constructing it on the meta device.
    """

    def __init__(self) -> None:
        super().__init__()
        # the tensors themselves are kept: their addresses must not be given to anybody else meanwhile
        self._raw: dict[int, Tensor] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        of_init = getattr(func, "__module__", None) == nn.init.__name__
        if func in _RANDOM or (of_init and func.__name__ not in _SETTING_BY_NAME):
            tensor = args[0] if args else kwargs["tensor"]
            self._mark(tensor)
            return tensor
        result = func(*args, **kwargs)
        if func in _EMPTY:
            self._mark(result)
        elif func in _SETTING or of_init:
            self._raw.pop(_address(args[0] if args else kwargs["tensor"]), None)
        return result

    def _mark(self, tensor: Tensor) -> None:
        if tensor.numel():
            self._raw[_address(tensor)] = tensor

    def is_raw(self, tensor: Tensor) -> bool:
        return _address(tensor) in self._raw


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@dataclass(frozen=True, slots=True)
class Part:
    """A constructed module, and which of its parameters still wait for their first values."""

    name: str
    """Prefix of its parameters in the model's state dict."""
    module: nn.Module
    raw: frozenset[str]
    """Names within `module`."""


def construct(name: str, build: Callable[[], nn.Module], seed: int) -> Part:
    """Run `build` without spending time on random matrices; what it does draw depends on `seed` and `name` only."""
    with torch.random.fork_rng(devices=[]), _Construction() as construction:
        torch.manual_seed(derive(seed, name))
        module = build()
    raw = {key for key, parameter in module.named_parameters() if construction.is_raw(parameter)}
    return Part(name, module, frozenset(raw))


def construct_meta(name: str, build: Callable[[], nn.Module]) -> Part:
    """Run `build` without allocating anything."""
    with torch.device("meta"):
        return Part(name, build(), frozenset())


def leave_unset(part: Part, *, dtype: torch.dtype, device: torch.device) -> None:
    """Give every parameter its format and device but no values beyond those that the module set itself."""
    done: dict[nn.Parameter, nn.Parameter] = {}
    for prefix, module in part.module.named_modules():
        for key, parameter in list(module.named_parameters(recurse=False)):
            if parameter not in done:
                raw = (f"{prefix}.{key}" if prefix else key) in part.raw
                # converting what was never written would only cost time and memory
                old = parameter.detach()
                value = torch.empty(old.shape, dtype=dtype, device=device) if raw else old.to(device, dtype)
                done[parameter] = nn.Parameter(value, requires_grad=parameter.requires_grad)
            setattr(module, key, done[parameter])
    if device.type != "cpu":
        part.module.to(device)


def derive(seed: int, *words: object) -> int:
    """Return the 32 bit seed of one named stream of random numbers."""
    text = "\x1f".join(map(str, (seed, *words)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


@dataclass(frozen=True, slots=True)
class Initialiser:
    """Gives parts their first values."""

    seed: int
    branches: int
    """Residual additions in the whole stack."""
    pool: ThreadPoolExecutor

    @staticmethod
    @contextmanager
    def of(seed: int, branches: int) -> Generator["Initialiser"]:
        with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="initialise") as pool:
            yield Initialiser(seed, branches, pool)

    def apply(self, part: Part, *, dtype: torch.dtype, device: torch.device) -> None:
        """Replace every parameter of `part` by its first value in `dtype` on `device`; buffers keep their format."""
        done: dict[nn.Parameter, nn.Parameter] = {}
        jobs: list[Callable[[], None]] = []
        for prefix, module in part.module.named_modules():
            for key, parameter in list(module.named_parameters(recurse=False)):
                if parameter not in done:
                    value, work = self._value(part, f"{prefix}.{key}" if prefix else key, parameter, dtype)
                    done[parameter] = nn.Parameter(value, requires_grad=parameter.requires_grad)
                    jobs += work
                setattr(module, key, done[parameter])
        list(self.pool.map(lambda job: job(), jobs))
        if device.type != "cpu":
            part.module.to(device)

    def _value(
        self, part: Part, name: str, parameter: nn.Parameter, dtype: torch.dtype
    ) -> tuple[Tensor, list[Callable[[], None]]]:
        old = parameter.detach()
        if name not in part.raw:
            return old.to(dtype), []
        value = old if old.dtype == dtype else torch.empty(old.shape, dtype=dtype)
        if value.ndim < 2:
            return value.zero_(), []
        std = self.std(part.module, name, tuple(value.shape))
        flat, full_name = value.view(-1), f"{part.name}.{name}"

        def draw(start: int) -> Callable[[], None]:
            return lambda: _draw(flat[start : start + CHUNK], std, derive(self.seed, full_name, start // CHUNK))

        return value, [draw(start) for start in range(0, flat.numel(), CHUNK)]

    def std(self, module: nn.Module, name: str, shape: tuple[int, ...]) -> float:
        """Return the standard deviation that the matrix called `name` within `module` starts with."""
        fan_in = prod(shape[1:])
        if len(shape) > 2 and fan_in < SMALL_FAN_IN:
            return 1 / sqrt(3 * fan_in)
        return STD / sqrt(max(1, self.branches)) if _writes_stream(module, name) else STD


def _writes_stream(module: nn.Module, name: str) -> bool:
    """Whether the innermost module on the way to `name` that declares `writes` names it there."""
    words = name.split(".")
    for depth in range(len(words) - 1, -1, -1):
        writes = getattr(module.get_submodule(".".join(words[:depth])), "writes", None)
        if writes is not None:
            return words[depth] in writes
    return False


def _draw(out: Tensor, std: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    if out.dtype == torch.float32:
        out.normal_(0.0, std, generator=generator)
    else:
        out.copy_(torch.empty(out.shape).normal_(0.0, std, generator=generator))
