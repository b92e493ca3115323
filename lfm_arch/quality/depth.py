"""Which layers of a deep stack stand for it in a shallow one.

Layers fall into classes by their mixer's `type`; within a class into kinds by window, channel mixer, experts and their
part in sharing. Each class keeps its share of the new depth, at least one layer; each kind its share of its class; both
by largest remainder. What is kept of a kind is spread evenly over it, and the order stays. So `ccAccAccAcAcAcAc`,
halved, becomes `ccAcAcAc`; every second layer of it would be `cAccAAAA` or `ccAccccc`.

A depth group whose passes share weights keeps its passes: first its stack is reduced, then the number of passes.
"""

from collections.abc import Hashable, Mapping, Sequence

from lfm_arch.spec.arch import ArchSpec, DepthGroup


def kept_layers(spec: ArchSpec, divisor: float) -> tuple[tuple[int, ...], tuple[DepthGroup, ...]]:
    """Choose the layers of a stack `divisor` times shallower.

    Returns:
        Their numbers in `spec`, ascending, and the depth groups over the new, dense numbers.
    """
    kinds = [_kind(spec, number) for number in range(len(spec.layers))]
    looped = [group for group in spec.groups if group.share != "none" and group.repeat > 1]
    kept: list[int] = []
    for group in looped:
        kept += _kept_passes(group, kinds, divisor)
    inside = {number for group in looped for number in range(group.start, group.stop)}
    others = [number for number in range(len(spec.layers)) if number not in inside]
    if others:
        kept += spread(others, kinds, max(1, round(len(others) / divisor)))
    kept.sort()
    return tuple(kept), tuple(_regrouped(spec, looped, kept))


def spread(numbers: Sequence[int], kinds: Sequence[tuple[Hashable, ...]], wanted: int) -> list[int]:
    """Choose about `wanted` of the layers `numbers`, by class and kind; `kinds[number]` starts with the class."""
    classes = _by(numbers, {number: kinds[number][0] for number in numbers})
    chosen: list[int] = []
    for members, share in zip(classes, _shares([len(each) for each in classes], wanted, least=1), strict=True):
        groups = _by(members, {number: kinds[number] for number in members})
        for group, few in zip(groups, _shares([len(each) for each in groups], share, least=0), strict=True):
            # the middle one of each of `few` equal runs
            chosen += [group[int((place + 0.5) * len(group) / few)] for place in range(few)]
    return sorted(chosen)


def _kind(spec: ArchSpec, number: int) -> tuple[Hashable, ...]:
    layer = spec.layers[number]
    mixer = layer.mixer.model_dump() if layer.mixer is not None else {}
    channel = layer.channel.model_dump() if layer.channel is not None else {}
    shared = [
        (*_what(entry), number == entry.layers[0])
        for entry in (*spec.shared_weights, *spec.shared_features)
        if number in entry.layers
    ]
    return (
        mixer.get("type"),
        mixer.get("window_size") is not None,
        channel.get("type"),
        any(number in entry.layers for entry in spec.moe),
        tuple(shared),
    )


def _what(entry: object) -> tuple[Hashable, ...]:
    return (getattr(entry, "feature", None), getattr(entry, "what", None))


def _kept_passes(group: DepthGroup, kinds: Sequence[tuple[Hashable, ...]], divisor: float) -> list[int]:
    period = (group.stop - group.start) // group.repeat
    first = range(group.start, group.start + period)
    stack = spread(first, kinds, max(1, round(period / divisor)))
    passes = min(group.repeat, max(2, round(period * group.repeat / divisor / len(stack))))
    return [number + turn * period for turn in range(passes) for number in stack]


def _regrouped(spec: ArchSpec, looped: Sequence[DepthGroup], kept: Sequence[int]) -> list[DepthGroup]:
    groups: list[DepthGroup] = []
    for group in spec.groups:
        inside = [place for place, number in enumerate(kept) if group.start <= number < group.stop]
        if not inside:
            continue
        repeat = 1
        if group in looped:
            period = (group.stop - group.start) // group.repeat
            repeat = len({(kept[place] - group.start) // period for place in inside})
        share = group.share if group in looped else "none"
        groups.append(DepthGroup(name=group.name, start=inside[0], stop=inside[-1] + 1, repeat=repeat, share=share))
    return groups


def _by(numbers: Sequence[int], key: Mapping[int, Hashable]) -> list[list[int]]:
    """Split by key; groups in the order in which they first occur."""
    groups: dict[Hashable, list[int]] = {}
    for number in numbers:
        groups.setdefault(key[number], []).append(number)
    return list(groups.values())


def _shares(sizes: Sequence[int], wanted: int, *, least: int) -> list[int]:
    """Divide `wanted` among groups in proportion to their sizes, by largest remainder, `least` to each."""
    total = sum(sizes)
    wanted = min(total, max(wanted, least * len(sizes)))
    exact = [size * wanted / total for size in sizes]
    shares = [max(least, int(share)) for share in exact]
    order = sorted(range(len(sizes)), key=lambda place: (shares[place] - exact[place], place))
    for place in order * (1 + wanted):
        if sum(shares) >= wanted:
            break
        if shares[place] < sizes[place]:
            shares[place] += 1
    # `least` may have handed out too many: the largest give back
    while sum(shares) > wanted:
        place = max(range(len(sizes)), key=lambda place: (shares[place] - exact[place], shares[place]))
        if shares[place] <= least:
            place = max(range(len(sizes)), key=lambda place: shares[place])
        shares[place] -= 1
    return shares
