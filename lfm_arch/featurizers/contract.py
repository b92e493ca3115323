"""What every featurizer and every head promises, as two checks that ship for authors of plug-ins.

    from lfm_arch.featurizers.contract import check_featurizer, check_head

    def test_contract() -> None:
        check_featurizer(ImagePatches(patch_size=8), torch.rand(2, 3, 16, 24))
        check_head(Classifier(num_classes=5, pool="mean"))

What a part says of itself is compared with what its module does: types, parameters, FLOPs, rows of a batch, padding,
number formats, gradients, names. Axes: B batch, T tokens, D width.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lfm_arch.core.tensor import TensorType
from lfm_arch.core.work import Workload
from lfm_arch.featurizers.base import Featurizer, Head
from lfm_arch.operators.base import Part, WeightNames

_RTOL, _ATOL = 1e-4, 1e-5
_NAME = "subject"


def check_featurizer(
    featurizer: Featurizer,
    raw: Tensor | Mapping[str, Tensor],
    *,
    width: int = 32,
    tokens: int | None = None,
    seed: int = 0,
) -> None:
    """Check every promise; an `AssertionError` says which one does not hold, and with which numbers.

    Args:
        featurizer: a small example.
        raw: a batch of at least two inputs; for one that reads other featurizers, their outputs by port.
        width: of the stream.
        tokens: positions of the stream that a reader is given; found in the output otherwise.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = _built(featurizer, width)
        inputs = {"raw": raw} if isinstance(raw, Tensor) else dict(raw)

        def run(given: Mapping[str, Tensor], module: nn.Module = module, **more: Any) -> Tensor:
            return module(given["raw"], **more) if "raw" in given else module(**given, **more)

        output = run(inputs)
        batch = next(iter(inputs.values())).shape[0]
        if output.ndim == 3 and tokens is None:
            tokens = output.shape[1]
        work = Workload(batch=batch, tokens=tokens or 1)
        _check_declaration(featurizer, module, featurizer.weight_names)
        _check_inputs(featurizer, inputs, width)
        _check_type(featurizer, output, featurizer.gives(_NAME, width), batch)
        _check_counts(featurizer, module, width, work)
        _check_rows(featurizer, run, inputs, output)
        _check_flops(featurizer, lambda: run(inputs), featurizer.cost(width, work).flops)
        _check_format(featurizer, lambda half: run(_floats_to(inputs, torch.bfloat16), half), _built(featurizer, width))
        _check_gradients(featurizer, module, run, inputs)
        if featurizer.reads:
            _check_padding(featurizer, lambda x_BTD, mask_BT: run({"stream": x_BTD}, mask_BT=mask_BT), inputs["stream"])


def check_head(head: Head, *, width: int = 32, batch: int = 2, tokens: int = 5, seed: int = 0) -> None:
    """Check every promise; an `AssertionError` says which one does not hold, and with which numbers.

    Args:
        head: a small example; a tied one with the sizes that it takes over.
        width: of the stream.
        batch: sequences, at least two.
        tokens: positions of each.
        seed: of weights and inputs.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = _built(head, width)
        x_BTD = torch.randn(batch, tokens, width)
        kind = head.gives(width)
        tied = {} if head.tied_to is None else {"weight": torch.randn(int(kind.axes[-1]), width)}

        def run(given: Mapping[str, Tensor], module: nn.Module = module, **more: Any) -> Tensor:
            weight = {name: value.to(given["stream"].dtype) for name, value in tied.items()}
            return module(given["stream"], **weight, **more)

        inputs = {"stream": x_BTD}
        output = run(inputs)
        _check_declaration(head, module, head.weight_names if head.tied_to is None else {})
        _check_type(head, output, kind, batch, tokens=tokens)
        _check_counts(head, module, width, Workload(batch=batch, tokens=tokens))
        _check_rows(head, run, inputs, output)
        _check_flops(head, lambda: run(inputs), head.cost(width, Workload(batch=batch, tokens=tokens)).flops)
        _check_format(head, lambda half: run(_floats_to(inputs, torch.bfloat16), half), _built(head, width))
        _check_gradients(head, module, run, inputs)
        _check_padding(head, lambda x_BTD, mask_BT: run({"stream": x_BTD}, mask_BT=mask_BT), x_BTD)


_Run = Callable[..., Tensor]


def _built(part: Featurizer | Head, width: int) -> nn.Module:
    module = part.build(width)
    with torch.no_grad():
        for parameter in module.parameters():
            # a bias that is zero would hide that it is missing from a count or a result
            parameter.normal_(std=0.5 if parameter.ndim == 1 else parameter[0].numel() ** -0.5)
    return module


def _floats_to(inputs: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {name: value.to(dtype) if value.is_floating_point() else value for name, value in inputs.items()}


def _check_declaration(part: Part, module: nn.Module, weight_names: Mapping[str, WeightNames]) -> None:
    assert hash(part) == hash(part.model_copy()), f"{part!r}: equal declarations hash differently"
    again = type(part).model_validate(part.model_dump())
    assert again == part, f"{part!r} is written and read back as {again!r}"
    known = {name for names in weight_names.values() for name in names}
    here = set(module.state_dict()) | {name for name, _ in module.named_modules()}
    assert known <= here, f"{part!r} names the weights {known - here}, which the module does not have"


def _check_inputs(featurizer: Featurizer, inputs: Mapping[str, Tensor], width: int) -> None:
    taken = featurizer.takes(_NAME)
    assert (taken is None) == bool(featurizer.reads), f"{featurizer!r} takes {taken} and reads {featurizer.reads}"
    ports = featurizer.ports(width) if taken is None else {"raw": taken}
    assert set(ports) == set(inputs), f"{featurizer!r} has the ports {set(ports)}, the example gives {set(inputs)}"
    for port, value in inputs.items():
        complaint = f"{featurizer!r} declares {ports[port]} at {port}, the example has {tuple(value.shape)}"
        assert _fits(ports[port], value, value.shape[0]), complaint


def _check_type(part: Part, output: Tensor, declared: TensorType, batch: int, **sizes: int) -> None:
    complaint = f"{part!r} declares {declared}, puts out {tuple(output.shape)} of {output.dtype}"
    assert _fits(declared, output, batch, **sizes), complaint
    assert output.isfinite().all(), f"{part!r} puts out numbers that are not finite"


def _fits(declared: TensorType, value: Tensor, batch: int, **sizes: int) -> bool:
    known = {"batch": batch, **sizes}
    wanted = [known.get(axis, axis) if isinstance(axis, str) else axis for axis in declared.axes]
    return (
        value.is_floating_point() == (declared.kind == "float")
        and len(wanted) == value.ndim
        and all(isinstance(axis, str) or axis == size for axis, size in zip(wanted, value.shape, strict=True))
    )


def _check_counts(part: Featurizer | Head, module: nn.Module, width: int, work: Workload) -> None:
    cost, held = part.cost(width, work), sum(parameter.numel() for parameter in module.parameters())
    assert part.params(width) == held, f"{part!r} declares {part.params(width)} parameters, holds {held}"
    assert cost.params == held, f"{part!r}: params depends on the workload, {cost.params} and {held}"
    assert cost.active_params == held, f"{part!r}: {cost.active_params} of {held} parameters are active"
    if not isinstance(part, Head) or part.tied_to is None:
        assert 0 <= cost.touched_params <= held, f"{part!r}: {cost.touched_params} of {held} parameters are touched"
    with torch.device("meta"):
        looked_at = part.build(width)
    allocated = [name for name, value in looked_at.named_parameters() if value.device.type != "meta"]
    assert not allocated, f"{part!r} allocates {allocated} when it is only built to be looked at"


def _check_rows(part: Part, run: _Run, inputs: Mapping[str, Tensor], together: Tensor) -> None:
    assert together.shape[0] > 1, "rows of a batch can only be compared when there are two"
    for row in range(together.shape[0]):
        alone = run({name: value[row : row + 1] for name, value in inputs.items()})
        _close(alone, together[row : row + 1], f"{part!r}: row {row} of a batch is not what it is alone")


def _check_flops(part: Part, run: Callable[[], Tensor], declared: int) -> None:
    with FlopCounterMode(display=False) as counter:
        run()
    counted = counter.get_total_flops()
    assert counted == declared, f"{part!r}: {declared} FLOPs declared, torch counts {counted}"


def _check_format(part: Part, run: Callable[[nn.Module], Tensor], module: nn.Module) -> None:
    output = run(module.to(torch.bfloat16))
    assert output.dtype == torch.bfloat16, f"{part!r} in bfloat16 puts out {output.dtype}"
    assert output.isfinite().all(), f"{part!r} in bfloat16 puts out numbers that are not finite"


def _check_gradients(part: Part, module: nn.Module, run: _Run, inputs: Mapping[str, Tensor]) -> None:
    module.zero_grad()
    leaves = {
        name: value.clone().requires_grad_() if value.is_floating_point() else value for name, value in inputs.items()
    }
    output = run(leaves)
    assert not output.isnan().any(), f"{part!r} puts out numbers that are not numbers"
    if output.requires_grad:
        (output * torch.randn_like(output)).sum().backward()
    for name, value in [*leaves.items(), *module.named_parameters()]:
        if value.is_floating_point():
            assert value.grad is not None, f"{part!r}: no gradient reaches {name}"
            assert value.grad.any(), f"{part!r}: no gradient reaches {name}"
            assert value.grad.isfinite().all(), f"{part!r}: the gradient of {name} is not finite"


def _check_padding(part: Part, run: Callable[[Tensor, Tensor | None], Tensor], x_BTD: Tensor) -> None:
    """Pad all sequences by two positions of noise, on either side; real positions must not notice."""
    batch, tokens, width = x_BTD.shape
    expected = run(x_BTD, None)
    noise = torch.randn(batch, 2, width)
    for side, pieces, first in (("left", [noise, x_BTD], 2), ("right", [x_BTD, noise], 0)):
        mask_BT = torch.zeros(batch, tokens + 2, dtype=torch.bool)
        mask_BT[:, first : first + tokens] = True
        output = run(torch.cat(pieces, dim=1), mask_BT)
        if output.ndim == 3:
            output = output[:, first : first + tokens]
        _close(output, expected, f"{part!r} changes when its input is padded on the {side}")
    nothing = run(x_BTD, torch.zeros(batch, tokens, dtype=torch.bool))
    assert nothing.isfinite().all(), f"{part!r} puts out numbers that are not finite for a sequence of padding alone"


def _close(actual: Tensor, expected: Tensor, complaint: str) -> None:
    torch.testing.assert_close(actual, expected, rtol=_RTOL, atol=_ATOL, msg=lambda text: f"{complaint}\n{text}")
