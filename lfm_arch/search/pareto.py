"""What no other candidate beats, and how much of the objective space that covers. Smaller is better throughout."""

from collections.abc import Sequence

Point = tuple[float, ...]


def dominates(one: Point, other: Point) -> bool:
    """Whether `one` is at least as good everywhere and better somewhere."""
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def front(points: Sequence[Point]) -> list[int]:
    """Return the places of the points that none dominates, by the first objective; of equal ones, the earliest."""
    chosen: list[int] = []
    for place in sorted(range(len(points)), key=lambda place: (points[place], place)):
        if not any(points[other] == points[place] or dominates(points[other], points[place]) for other in chosen):
            chosen.append(place)
    return chosen


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """Return the volume that the points dominate within `reference`, exactly.

    Slices along the last objective: between two neighbouring values of it, the points reached so far dominate a
    constant area in the others.
    """
    inside = [point for point in points if all(a < r for a, r in zip(point, reference, strict=True))]
    if not inside:
        return 0.0
    if len(reference) == 1:
        return reference[0] - min(point[0] for point in inside)
    ordered = sorted(inside, key=lambda point: point[-1])
    volume = 0.0
    for place, point in enumerate(ordered):
        upper = ordered[place + 1][-1] if place + 1 < len(ordered) else reference[-1]
        if upper > point[-1]:
            below = [other[:-1] for other in ordered[: place + 1]]
            nondominated = [below[each] for each in front(below)]
            volume += (upper - point[-1]) * hypervolume(nondominated, reference[:-1])
    return volume
