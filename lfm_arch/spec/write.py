"""A settled architecture as a model file that reads back as an equal one.

Layers of one block that differ become the block as most of them have it, and overrides for the others.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from pydantic import BaseModel

from lfm_arch.spec.arch import ArchSpec, DepthGroup, Layer
from lfm_arch.spec.document import VERSION
from lfm_arch.spec.emit import emit
from lfm_arch.spec.stack import fold_stack
from lfm_arch.spec.text_error import NAME


def write_spec(spec: ArchSpec) -> str:
    """Return the YAML text of a model."""
    return emit(spec_fields(spec))


def spec_fields(spec: ArchSpec) -> dict[str, Any]:
    """Return the sections of a model file as plain values, in the order of a file."""
    norm = _commonest([(each.norm, each.placement) for each in spec.layers])
    bases = {name: _base([each for each in spec.layers if each.block == name]) for name in _blocks(spec)}
    names = _operator_names(bases)
    file: dict[str, Any] = {"lfm_arch": VERSION, "kind": "model", "name": spec.name}
    if spec.doc:
        file["doc"] = spec.doc
    file["dims"] = {"hidden_size": spec.hidden_size} | spec.dims
    if spec.vars:
        file["vars"] = spec.vars
    if spec.featurizers:
        file["featurizers"] = {name: _short(part) for name, part in spec.featurizers.items()}
    if spec.fusion is not None:
        file["fusion"] = _short(spec.fusion)
    if names:
        file["operators"] = {name: _short(operator) for operator, name in names.items()}
    if norm is not None:
        file["norm"] = _norm(*norm)
    file["blocks"] = {name: _block(layer, norm, names) for name, layer in bases.items()}
    file["depth_groups"] = [_group(group, spec.layers) for group in spec.groups or _runs(spec.layers)]
    overrides = _overrides(spec.layers, bases)
    if overrides:
        file["overrides"] = overrides
    sharing = _sharing(spec)
    if sharing:
        file["sharing"] = sharing
    if spec.moe:
        file["moe"] = [{"layers": _selector(each.layers), **_plain(each.experts)} for each in spec.moe]
    if spec.final_norm != (None if norm is None else norm[0]):
        file["final_norm"] = None if spec.final_norm is None else _full(spec.final_norm)
    if spec.heads:
        file["heads"] = {name: _short(part) for name, part in spec.heads.items()}
    if spec.expect is not None:
        file["expect"] = spec.expect.model_dump(exclude_none=True)
    if spec.constraints:
        file["constraints"] = [
            {"check": each.check} | ({"why": each.why} if each.why else {}) for each in spec.constraints
        ]
    return {key: value for key, value in file.items() if key == "final_norm" or value not in ({}, [])}


# parts


def _short(part: BaseModel) -> dict[str, Any]:
    """Return the fields that differ from their defaults, behind the type."""
    fields: dict[str, Any] = {}
    for name, field in _type_first(part):
        value = getattr(part, name)
        if name == "type" or field.is_required() or value != field.get_default(call_default_factory=True):
            fields[field.alias or name] = _plain(value)
    return fields


def _full(part: BaseModel) -> dict[str, Any]:
    """Return all fields: what is laid over something must not leave its fields standing."""
    return {field.alias or name: _plain_full(getattr(part, name)) for name, field in _type_first(part)}


def _type_first(part: BaseModel) -> list[tuple[str, Any]]:
    return sorted(type(part).model_fields.items(), key=lambda each: each[0] != "type")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _short(value)
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _plain_full(value: Any) -> Any:
    return _full(value) if isinstance(value, BaseModel) else _plain(value)


def _norm(norm: BaseModel, placement: str) -> dict[str, Any]:
    return _full(norm) | {"placement": placement}


# blocks


def _commonest(values: Sequence[Any]) -> Any:
    return Counter(values).most_common(1)[0][0] if values else None


def _blocks(spec: ArchSpec) -> list[str]:
    return list(dict.fromkeys(layer.block for layer in spec.layers))


def _base(layers: Sequence[Layer]) -> Layer:
    """Return the layer that most layers of a block are like, except for their group."""
    kinds = [(each.mixer, each.channel, each.norm, each.placement) for each in layers]
    return layers[kinds.index(_commonest(kinds))]


def _operator_names(bases: dict[str, Layer]) -> dict[BaseModel, str]:
    """Name every operator that blocks have: as the file did, or after its type."""
    names: dict[BaseModel, str] = {}
    for layer in bases.values():
        for part, path in ((layer.mixer, layer.mixer_path), (layer.channel, layer.channel_path)):
            if part is None or part in names:
                continue
            written = path.removeprefix("operators.")
            wanted = written if NAME.fullmatch(written) else str(getattr(part, "type", "operator"))
            name, number = wanted, 2
            while name in names.values():
                name, number = f"{wanted}_{number}", number + 1
            names[part] = name
    return names


def _block(layer: Layer, norm: Any, names: dict[BaseModel, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        slot: names[part] for slot, part in (("mixer", layer.mixer), ("channel", layer.channel)) if part is not None
    }
    if (layer.norm, layer.placement) != norm:
        fields["norm"] = _norm(layer.norm, layer.placement)
    return fields


def _runs(layers: Sequence[Layer]) -> list[DepthGroup]:
    """Make groups of a spec that has none."""
    groups: list[DepthGroup] = []
    start = 0
    for name, run in groupby(layers, key=lambda each: each.group):
        stop = start + len(list(run))
        groups.append(DepthGroup(name=name or f"group{len(groups)}", start=start, stop=stop))
        start = stop
    return groups


def _group(group: DepthGroup, layers: Sequence[Layer]) -> dict[str, Any]:
    length = (group.stop - group.start) // group.repeat
    stack = fold_stack([layer.block for layer in layers[group.start : group.start + length]])
    fields: dict[str, Any] = {"name": group.name, "stack": stack}
    if group.repeat > 1:
        fields["repeat"] = group.repeat
    if group.share != "none":
        fields["share"] = group.share
    return fields


def _overrides(layers: Sequence[Layer], bases: dict[str, Layer]) -> dict[str, Any]:
    """Say what layers have that their blocks have not; equal changes in one entry."""
    changed: list[tuple[dict[str, Any], list[int]]] = []
    for number, layer in enumerate(layers):
        changes = _changes(bases[layer.block], layer)
        if not changes:
            continue
        same = next((numbers for each, numbers in changed if each == changes), None)
        if same is None:
            changed.append((changes, [number]))
        else:
            same.append(number)
    return {_selector(numbers): changes for changes, numbers in changed}


def _changes(base: Layer, layer: Layer) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for slot in ("mixer", "channel"):
        old, new = getattr(base, slot), getattr(layer, slot)
        if new == old:
            continue
        if new is None or type(new) is not type(old):
            changes[slot] = None if new is None else _short(new)
            continue
        for name, field in type(new).model_fields.items():
            value = getattr(new, name)
            if value != getattr(old, name):
                changes[f"{slot}.{field.alias or name}"] = _plain_full(value)
    if (base.norm, base.placement) != (layer.norm, layer.placement):
        changes["norm"] = _norm(layer.norm, layer.placement)
    return changes


def _selector(layers: Sequence[int]) -> str:
    """Name layers by their numbers, runs of three and more as ranges."""
    parts: list[str] = []
    run: list[int] = []
    for number in [*layers, None]:
        if run and number != run[-1] + 1:
            parts += [f"{run[0]}..{run[-1]}"] if len(run) > 2 else map(str, run)
            run = []
        if number is not None:
            run.append(number)
    return ",".join(parts) or "none"


def _sharing(spec: ArchSpec) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = [
        {"weights": list(each.what), "among": _selector(each.layers)} for each in spec.shared_weights
    ]
    entries += [{"features": each.feature, "among": _selector(each.layers)} for each in spec.shared_features]
    return entries + [{"featurizers": list(each.featurizers)} for each in spec.shared_featurizers]
