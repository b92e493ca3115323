"""What every operator promises, as one check that ships for authors of plug-ins.

    from lfm_arch.operators.contract import check_operator

    def test_contract() -> None:
        check_operator(LongConv(kernel_size=64))

What a part says of itself is compared with what its module does: shapes, causality, state, parameters, FLOPs, names.
Axes: B batch, T tokens, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lfm_arch.core.work import Workload
from lfm_arch.operators.base import Operator
from lfm_arch.parts.context import Context, OperatorModule, State
from lfm_arch.parts.reference import reference

_RTOL, _ATOL = 1e-4, 1e-5


def check_operator(
    operator: Operator,
    *,
    width: int = 32,
    owner: Operator | None = None,
    batch: int = 2,
    tokens: int = 7,
    seed: int = 0,
) -> None:
    """Check every promise; an `AssertionError` says which one does not hold, and with which numbers.

    Args:
        operator: a small example.
        width: of the stream; choose one that the example's sizes fit.
        owner: computes the features that `operator` takes, for one that takes any.
        batch: sequences, at least two.
        tokens: positions of each; odd, and longer than the example's window if it has one.
        seed: of weights and inputs.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        subject = _Subject.of(operator, width, owner, batch, tokens)
        _check_declaration(subject)
        _check_counts(subject)
        _check_names(subject)
        _check_shape_and_format(subject)
        _check_reference(subject)
        _check_causality(subject)
        _check_reach(subject)
        _check_streaming(subject)
        _check_rows(subject)
        _check_padding(subject)
        _check_flops(subject)
        _check_gradients(subject)


@dataclass
class _Subject:
    """The operator, its module with random weights, and inputs."""

    operator: Operator
    module: OperatorModule
    width: int
    x_BTD: Tensor
    ports: dict[str, Tensor]
    """Values from featurizers, one row a sequence."""
    owner: OperatorModule | None
    owner_operator: Operator | None
    owner_x_BTD: Tensor
    """What goes into the layer that computes the features taken."""

    @staticmethod
    def of(operator: Operator, width: int, owner: Operator | None, batch: int, tokens: int) -> "_Subject":
        name = type(operator).__name__
        assert batch > 1, "rows of a batch can only be compared when there are two"
        assert tokens % 2, f"tokens={tokens} is even, chunks that do not divide it are part of the check"
        assert bool(operator.takes) == (owner is not None), f"{name} takes {operator.takes}, the owner is {owner!r}"
        ports = {}
        for port, wanted in operator.ports(width).items():
            sizes = [batch if axis == "batch" else axis for axis in wanted.axes]
            assert all(isinstance(size, int) for size in sizes), f"{name}: port {port!r} has the open type {wanted}"
            ports[port] = torch.randn([int(size) for size in sizes])
        assert set(ports) == set(operator.reads), f"{name} reads {set(operator.reads)}, its ports are {set(ports)}"
        return _Subject(
            operator,
            _built(operator, width),
            width,
            torch.randn(batch, tokens, width),
            ports,
            None if owner is None else _built(owner, width),
            owner,
            torch.randn(batch, tokens, width),
        )

    @property
    def name(self) -> str:
        return repr(self.operator)

    @property
    def batch(self) -> int:
        return self.x_BTD.shape[0]

    @property
    def tokens(self) -> int:
        return self.x_BTD.shape[1]

    def new_state(self, *, batch: int, capacity: int, dtype: torch.dtype) -> tuple[State | None, State | None]:
        """Allocate the slots of the operator and of its owner."""

        def of(operator: Operator | None) -> State | None:
            state = {}
            for slot in () if operator is None else operator.state(self.width):
                format_ = torch.float32 if slot.precision == "float32" else dtype
                state[slot.name] = torch.zeros(slot.sized(batch=batch, context=capacity), dtype=format_)
            return state or None

        return of(self.operator), of(self.owner_operator)

    def features(self, part: "_Input", context: Context, state: State | None) -> dict[str, Any]:
        """Compute what the operator takes from its owner."""
        if self.owner is None:
            return {}
        shared = self.owner.share(part.owner_x_BTD, context, state)
        missing = set(self.operator.takes) - set(shared)
        assert not missing, f"{self.name} takes {missing}, the owner shares {set(shared)}"
        return {name: shared[name] for name in self.operator.takes}

    def inputs(self) -> "_Input":
        return _Input(self.x_BTD, self.owner_x_BTD, self.ports, None)

    def once(self, part: "_Input") -> Tensor:
        """Run one pass without a state."""
        context = Context.begin(part.x_BTD.shape[1], mask_BS=part.mask_BT)
        return self.module(part.x_BTD, context, None, **part.ports, **self.features(part, context, None))

    def streamed(self, part: "_Input", chunk: int, capacity: int) -> tuple[Tensor, State]:
        """Run chunk by chunk; between chunks the state is moved and the module busy with something else."""
        batch, tokens = part.x_BTD.shape[:2]
        state, owner_state = self.new_state(batch=batch, capacity=capacity, dtype=part.x_BTD.dtype)
        outputs = []
        for start in range(0, tokens, chunk):
            stop = min(start + chunk, tokens)
            piece = part.between(start, stop)
            mask = None if part.mask_BT is None else part.mask_BT[:, :stop]
            context = Context.begin(stop - start, past=start, mask_BS=mask)
            features = self.features(piece, context, owner_state)
            outputs.append(self.module(piece.x_BTD, context, state, **part.ports, **features))
            state, owner_state = _copied(state), _copied(owner_state)
            self._be_busy()
        return torch.cat(outputs, dim=1), state or {}

    def _be_busy(self) -> None:
        other = _Input(torch.randn_like(self.x_BTD), torch.randn_like(self.x_BTD), self.ports, None)
        state, owner_state = self.new_state(batch=self.batch, capacity=self.tokens, dtype=torch.float32)
        context = Context.begin(self.tokens)
        self.module(other.x_BTD, context, state, **other.ports, **self.features(other, context, owner_state))


@dataclass(frozen=True)
class _Input:
    x_BTD: Tensor
    owner_x_BTD: Tensor
    ports: dict[str, Tensor]
    mask_BT: Tensor | None

    def between(self, start: int, stop: int) -> "_Input":
        return _Input(self.x_BTD[:, start:stop], self.owner_x_BTD[:, start:stop], self.ports, self.mask_BT)

    def row(self, row: int, start: int = 0) -> "_Input":
        ports = {name: value[row : row + 1] for name, value in self.ports.items()}
        return _Input(self.x_BTD[row : row + 1, start:], self.owner_x_BTD[row : row + 1, start:], ports, None)

    def disturbed(self, position: int) -> "_Input":
        """Change one token, for the operator and for the owner of what it takes."""
        x_BTD, owner_x_BTD = self.x_BTD.clone(), self.owner_x_BTD.clone()
        x_BTD[:, position] = torch.randn_like(x_BTD[:, position])
        owner_x_BTD[:, position] = torch.randn_like(x_BTD[:, position])
        return _Input(x_BTD, owner_x_BTD, self.ports, self.mask_BT)


def _built(operator: Operator, width: int) -> OperatorModule:
    module = operator.build(width)
    assert isinstance(module, OperatorModule), f"{type(operator).__name__} builds a {type(module).__name__}"
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=max(parameter.shape[-1], 4) ** -0.5)
            else:
                # what a module sets stays near, so that a bias moves and a norm's weight is not one
                parameter.add_(0.1 * torch.randn_like(parameter))
    return module


def _copied(state: State | None) -> State | None:
    return None if state is None else {name: value.clone() for name, value in state.items()}


def _close(actual: Tensor, expected: Tensor, complaint: str) -> None:
    torch.testing.assert_close(actual, expected, rtol=_RTOL, atol=_ATOL, msg=lambda text: f"{complaint}\n{text}")


def _check_declaration(subject: _Subject) -> None:
    operator = subject.operator
    assert operator.roles, f"{subject.name} stands nowhere: roles is empty"
    assert hash(operator) == hash(operator.model_copy()), f"{subject.name}: equal declarations hash differently"
    again = type(operator).model_validate(operator.model_dump())
    assert again == operator, f"{subject.name} is written and read back as {again!r}"
    if not operator.causal:
        assert not operator.state(subject.width), f"{subject.name} cannot decode, so it has nothing to remember"
    for feature in operator.computes:
        reader = operator.reader(feature)
        assert feature in reader.takes, f"{subject.name}: the reader of {feature!r} takes {reader.takes}"
        assert reader.agrees_on(feature) == operator.agrees_on(feature), f"{subject.name} and its reader disagree"


def _check_counts(subject: _Subject) -> None:
    operator, width, work = subject.operator, subject.width, Workload(batch=2, tokens=3, past=2)
    cost = operator.cost(width, work)
    held = sum(parameter.numel() for parameter in subject.module.parameters())
    assert operator.params(width) == held, f"{subject.name} declares {operator.params(width)} parameters, holds {held}"
    assert cost.params == held, f"{subject.name}: params depends on the workload, {cost.params} and {held}"
    assert 0 <= cost.active_params <= held, f"{subject.name}: {cost.active_params} of {held} parameters are active"
    assert 0 <= cost.touched_params <= held, f"{subject.name}: {cost.touched_params} of {held} parameters are touched"
    assert cost.touched_expert_params <= cost.touched_params, f"{subject.name}: more experts than weights are touched"
    with torch.device("meta"):
        module = operator.build(width)
    allocated = [name for name, value in module.named_parameters() if value.device.type != "meta"]
    assert not allocated, f"{subject.name} allocates {allocated} when it is only built to be looked at"
    grows = {slot.name for slot in operator.state(width) if "context" in slot.shape}
    assert bool(grows) == bool(cost.cache_write), f"{subject.name}: cache_write={cost.cache_write}, slots {grows}"


def _check_names(subject: _Subject) -> None:
    families, weights = subject.operator.weight_names.values(), subject.module.state_dict()
    known = {name for names in families for name in names}
    unnamed = [name for name in weights if not any(name == each or name.startswith(f"{each}.") for each in known)]
    assert not (families and unnamed), f"{subject.name}: no family in weight_names names {unnamed}"
    lost = [name for name in subject.module.writes if not hasattr(subject.module, name)]
    assert not lost, f"{subject.name}: writes names {lost}, which the module does not have"


def _check_shape_and_format(subject: _Subject) -> None:
    part = subject.inputs()
    y_BTD = subject.once(part)
    assert y_BTD.shape == part.x_BTD.shape, f"{subject.name}: {tuple(part.x_BTD.shape)} becomes {tuple(y_BTD.shape)}"
    assert y_BTD.isfinite().all(), f"{subject.name} puts out numbers that are not finite"
    half = _Subject.of(subject.operator, subject.width, subject.owner_operator, subject.batch, subject.tokens)
    for module in (half.module, half.owner):
        if module is not None:
            module.to(torch.bfloat16)
    ports = {name: value.to(torch.bfloat16) for name, value in half.ports.items()}
    short = _Input(half.x_BTD.to(torch.bfloat16), half.owner_x_BTD.to(torch.bfloat16), ports, None)
    y_BTD = half.once(short)
    assert y_BTD.dtype == torch.bfloat16, f"{subject.name}: bfloat16 becomes {y_BTD.dtype}"
    assert y_BTD.isfinite().all(), f"{subject.name} in bfloat16 puts out numbers that are not finite"


def _check_reference(subject: _Subject) -> None:
    part = subject.inputs()
    fast = subject.once(part)
    with reference():
        plain = subject.once(part)
    _close(fast, plain, f"{subject.name}: the fast path is not the plain form")
    if subject.operator.computes:
        context = Context.begin(subject.tokens)
        shared = subject.module.share(part.x_BTD, context)
        assert set(shared) == set(subject.operator.computes), f"{subject.name} shares {set(shared)}"
        handed = subject.module(part.x_BTD, context, **part.ports, **shared)
        _close(handed, fast, f"{subject.name}: with what it shares handed back to it, it is not what it is alone")


def _check_causality(subject: _Subject) -> None:
    if not subject.operator.causal:
        return
    part = subject.inputs()
    before = subject.once(part)
    for position in (subject.tokens - 1, subject.tokens // 2):
        after = subject.once(part.disturbed(position))
        complaint = f"{subject.name} is not causal: a change at position {position} is seen before it"
        _close(after[:, :position], before[:, :position], complaint)


def _check_reach(subject: _Subject) -> None:
    """See that a mixer mixes, and that a channel mixer without memory does not."""
    part = subject.inputs()
    before = subject.once(part)
    position = subject.tokens // 2
    moved = (subject.once(part.disturbed(position)) - before).abs().amax(dim=(0, 2))
    assert moved[position] > _ATOL, f"{subject.name} ignores its input: nothing changes where a token changed"
    others = [t for t in range(subject.tokens) if t != position and moved[t] > _ATOL]
    if subject.operator.roles == ("mixer",):
        behind = position + 1
        assert behind in others, f"{subject.name} is a mixer, yet position {behind} does not see position {position}"
        if not subject.operator.causal:
            assert position - 1 in others, f"{subject.name} is not causal, yet position {position - 1} sees nothing new"
    elif subject.new_state(batch=1, capacity=1, dtype=torch.float32) == (None, None):
        assert not others, f"{subject.name} is a channel mixer, yet a change at {position} is seen at {others}"


def _check_streaming(subject: _Subject) -> None:
    operator, part = subject.operator, subject.inputs()
    if not operator.causal:
        return
    weights = {name: value.clone() for name, value in subject.module.state_dict().items()}
    whole = subject.once(part)
    # the room a slot has beyond the tokens must not matter either
    for chunk, capacity in ((1, subject.tokens), (3, subject.tokens + 2), (subject.tokens, subject.tokens + 1)):
        pieces, state = subject.streamed(part, chunk, capacity)
        _close(pieces, whole, f"{subject.name}: streaming by {chunk} is not one pass; the state slots miss something")
        slots = operator.state(subject.width)
        declared = {slot.name: slot.sized(batch=subject.batch, context=capacity) for slot in slots}
        found = {name: tuple(value.shape) for name, value in state.items()}
        assert found == declared, f"{subject.name} declares the slots {declared} and leaves {found}"
        idle = [name for name, value in state.items() if prod(value.shape) and not value.any()]
        assert not idle, f"{subject.name} declares the slots {idle} and writes nothing into them"
    for name, value in subject.module.state_dict().items():
        assert torch.equal(value, weights[name]), f"{subject.name} remembers something in {name}"


def _check_rows(subject: _Subject) -> None:
    part = subject.inputs()
    together = subject.once(part)
    for row in range(subject.batch):
        complaint = f"{subject.name}: row {row} of a batch is not what it is alone"
        _close(subject.once(part.row(row)), together[row : row + 1], complaint)


def _check_padding(subject: _Subject) -> None:
    """Pad the first row on the left by two positions of noise."""
    pads = 2
    mask_BT = torch.ones(subject.batch, subject.tokens, dtype=torch.bool)
    mask_BT[0, :pads] = False
    padded = _Input(subject.x_BTD, subject.owner_x_BTD, subject.ports, mask_BT)
    alone = [subject.once(padded.row(row, start=pads if row == 0 else 0)) for row in range(subject.batch)]

    def compare(y_BTD: Tensor, how: str) -> None:
        assert y_BTD.isfinite().all(), f"{subject.name} puts out numbers that are not finite at padding, {how}"
        for row, expected in enumerate(alone):
            complaint = f"{subject.name}: row {row} changes when row 0 is padded on the left, {how}"
            _close(y_BTD[row : row + 1, -expected.shape[1] :], expected, complaint)

    compare(subject.once(padded), "in one pass")
    if subject.operator.causal:
        for chunk in (1, 3):
            compare(subject.streamed(padded, chunk, subject.tokens)[0], f"streamed by {chunk}")


def _check_flops(subject: _Subject) -> None:
    """Count with torch: token by token, where nothing is multiplied that a mask throws away."""
    operator, part = subject.operator, subject.inputs()
    whole = operator.cost(subject.width, Workload(batch=subject.batch, tokens=subject.tokens)).flops
    # what is generated once a sequence and pass is generated again at every step, so only passes compare
    if not operator.causal or operator.reads:
        _compare_flops(subject, part, [whole], chunk=subject.tokens)
    if operator.causal:
        works = [Workload(batch=subject.batch, tokens=1, past=past) for past in range(subject.tokens)]
        steps = [operator.cost(subject.width, work).flops for work in works]
        _compare_flops(subject, part, steps, chunk=1)
        complaint = f"{subject.name}: cost() gives {sum(steps)} FLOPs for the steps, {whole} for one pass over them"
        assert operator.reads or sum(steps) == whole, complaint


def _compare_flops(subject: _Subject, part: _Input, declared: Sequence[int], *, chunk: int) -> None:
    state, owner_state = subject.new_state(batch=subject.batch, capacity=subject.tokens, dtype=torch.float32)
    for step, expected in enumerate(declared):
        start = step * chunk
        piece, context = part.between(start, start + chunk), Context.begin(chunk, past=start)
        features = subject.features(piece, context, owner_state)
        with reference(), FlopCounterMode(display=False) as counter:
            subject.module(piece.x_BTD, context, state, **part.ports, **features)
        counted = counter.get_total_flops()
        complaint = (
            f"{subject.name}: {expected} FLOPs declared for {chunk} tokens after {start}, torch counts {counted}"
        )
        assert counted == expected, complaint


def _check_gradients(subject: _Subject) -> None:
    part = subject.inputs()
    subject.module.zero_grad()
    x_BTD = part.x_BTD.clone().requires_grad_()
    y_BTD = subject.once(_Input(x_BTD, part.owner_x_BTD, part.ports, None))
    (y_BTD * torch.randn_like(y_BTD)).sum().backward()
    assert x_BTD.grad is not None, f"{subject.name}: no gradient reaches the input"
    assert x_BTD.grad.any(), f"{subject.name}: the gradient of the input is zero"
    grads = {name: weight.grad for name, weight in subject.module.named_parameters() if weight.requires_grad}
    dead = [name for name, grad in grads.items() if grad is None or not grad.any()]
    assert not dead, f"{subject.name}: no gradient reaches {dead}"
    wild = [name for name, grad in grads.items() if grad is not None and not grad.isfinite().all()]
    assert not wild, f"{subject.name}: the gradients of {wild} are not finite"
