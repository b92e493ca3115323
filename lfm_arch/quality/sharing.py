"""How sharing survives when layers are left out.

A kept reader reads the owner it read before when that one was kept; else the nearest kept owner before it that shares
the same thing and agrees with it; else it owns itself, which is noted. Like this the share of readers stays, even where
every second layer goes.
"""

from collections.abc import Callable, Sequence

from lfm_arch.spec.arch import ArchSpec, Layer, SharedFeatures, SharedWeights


def shared_features(
    spec: ArchSpec, kept: Sequence[int], layers: Sequence[Layer], notes: list[str]
) -> tuple[SharedFeatures, ...]:
    """Carry over shared features to the kept layers; `layers` are the reduced ones."""

    def agree(feature: str) -> Callable[[int, int], bool]:
        def both(owner: int, reader: int) -> bool:
            one, other = layers[owner].mixer, layers[reader].mixer
            if one is None or other is None or type(one) is not type(other):
                return False
            return one.agrees_on(feature) == other.agrees_on(feature)

        return both

    entries: list[SharedFeatures] = []
    for feature in dict.fromkeys(entry.feature for entry in spec.shared_features):
        same = [entry for entry in spec.shared_features if entry.feature == feature]
        groups = _attached([entry.layers for entry in same], kept, agree(feature), f"shared {feature}", notes)
        entries += [SharedFeatures(feature=feature, layers=group, path=same[0].path) for group in groups]
    return tuple(entries)


def shared_weights(
    spec: ArchSpec, kept: Sequence[int], layers: Sequence[Layer], notes: list[str]
) -> tuple[SharedWeights, ...]:
    """Carry over shared weights to the kept layers."""

    def agree(what: tuple[str, ...]) -> Callable[[int, int], bool]:
        def both(owner: int, reader: int) -> bool:
            one, other = layers[owner], layers[reader]
            return all(
                {
                    "mixer": one.mixer == other.mixer,
                    "channel": one.channel == other.channel,
                    "layer": (one.mixer, one.channel, one.norm, one.placement)
                    == (other.mixer, other.channel, other.norm, other.placement),
                }[each]
                for each in what
            )

        return both

    entries: list[SharedWeights] = []
    for what in dict.fromkeys(entry.what for entry in spec.shared_weights):
        same = [entry for entry in spec.shared_weights if entry.what == what]
        title = f"shared weights of {', '.join(what)}"
        groups = _attached([entry.layers for entry in same], kept, agree(what), title, notes)
        entries += [SharedWeights(what=what, layers=group, path=same[0].path) for group in groups]
    return tuple(entries)


def _attached(
    groups: Sequence[Sequence[int]],
    kept: Sequence[int],
    agree: Callable[[int, int], bool],
    title: str,
    notes: list[str],
) -> list[tuple[int, ...]]:
    """Return groups of two or more over the new numbers, owner first."""
    group_of = {number: index for index, group in enumerate(groups) for number in group}
    owners: dict[int, list[int]] = {}  # new number of an owner -> its group, itself first
    own_group: dict[int, int] = {}  # old group -> new number of its kept owner
    lost = shared = 0
    for place, number in enumerate(kept):
        if number not in group_of:
            continue
        shared += 1
        index = group_of[number]
        if number == groups[index][0]:
            owners[place] = [place]
            own_group[index] = place
            continue
        near = [own_group[index]] if index in own_group else []
        near += sorted(owners, reverse=True)
        owner = next((each for each in near if agree(each, place)), None)
        if owner is None:
            # with its owner left out it takes the owner's part
            owners[place] = [place]
            own_group.setdefault(index, place)
            lost += 1
        else:
            owners[owner].append(place)
    if lost:
        notes.append(f"{title}: {lost} of {shared} kept layers lost their owner and own themselves")
    return [tuple(group) for group in owners.values() if len(group) > 1]
