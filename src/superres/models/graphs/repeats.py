"""Fold the repeated blocks of an outline: of a block that follows itself, the first time is kept."""

from dataclasses import replace

import numpy as np

from superres.models.graphs.outline import Arrow, Outline

_MOST_READ = 4
# A graph that so many don't make small has no plan that a reader would see.
_MOST_FOLDS, _LEAST_SAVED = 12, 4


def fold_repeats(outline: Outline, most: int) -> Outline:
    """Return an outline with at most so many boxes, if folding repeated blocks reaches that, else with more.

    The longest repetitions are folded first, then those inside a block. The block's boxes stand for all its
    times; arrows from one time to the next are left out.
    """
    for _ in range(_MOST_FOLDS):
        found = _longest(outline) if len(outline.boxes) > most else None
        if found is None:
            break
        outline = _folded(outline, *found)
    return outline


def _longest(outline: Outline) -> tuple[int, int, int] | None:
    """Return first box, length and times of the block whose repetitions are most boxes; None without one
    that is worth it.

    Two boxes are alike if they say the same and read boxes as far before them. All reads from before the
    block are alike.
    """
    names: dict[object, int] = {}
    kinds = np.array([names.setdefault((box.title, box.details), len(names)) for box in outline.boxes])
    reach = np.zeros((len(kinds), _MOST_READ), int)
    read = [0] * len(kinds)
    for arrow in sorted(outline.arrows, key=lambda arrow: -arrow.source):
        if read[arrow.target] < _MOST_READ:
            reach[arrow.target, read[arrow.target]] = arrow.target - arrow.source
            read[arrow.target] += 1
    best, found = _LEAST_SAVED - 1, None
    for length in range(1, len(kinds) // 2 + 1):
        near = np.minimum(reach, length + 1)
        alike = (kinds[length:] == kinds[:-length]) & (near[length:] == near[:-length]).all(axis=1)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], alike, [0]])))
        for first, end in edges.reshape(-1, 2):
            times = (end - first) // length
            if times * length > best:
                best, found = int(times * length), (int(first), length, int(times) + 1)
    return found


def _folded(outline: Outline, first: int, length: int, times: int) -> Outline:
    def kept(box: int) -> int:
        if box < first:
            return box
        if box < first + times * length:
            return first + (box - first) % length
        return box - (times - 1) * length

    boxes = outline.boxes[: first + length] + outline.boxes[first + times * length :]
    arrows: dict[tuple[int, int], Arrow] = {}
    for arrow in outline.arrows:
        source, target = kept(arrow.source), kept(arrow.target)
        if source < target:
            arrows.setdefault((source, target), replace(arrow, source=source, target=target))
    repeats = {frozenset(map(kept, members)): count for members, count in outline.repeats.items()}
    repeats[frozenset(range(first, first + length))] = times
    return Outline(boxes, tuple(arrows.values()), repeats)
