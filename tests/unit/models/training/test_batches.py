import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from superres.device.base.errors import UserError
from superres.models.training.batches import check_patches, draw_batch, open_pairs, orient

MakePairs = Callable[..., Path]
SHAPES = [(12, 20), (16, 9), (30, 24)]


def test_hr_patch_covers_the_lr_patch(make_pairs: MakePairs) -> None:
    low, high = draw_batch(open_pairs(make_pairs("set", SHAPES)), seed=1, step=1, batch=32, patches=[8])
    assert (low.shape, high.shape) == ((32, 8, 8, 3), (32, 16, 16, 3))
    # The fixture's LR is the mean of 2 x 2 HR pixels; other places or orientations don't match.
    means = high.reshape(32, 8, 2, 8, 2, 3).mean((2, 4))
    assert np.abs(means - low).max() < 1


def test_batch_depends_on_seed_and_step_alone(make_pairs: MakePairs) -> None:
    pairs = open_pairs(make_pairs("set", SHAPES))
    first, _ = draw_batch(pairs, seed=1, step=5, batch=4, patches=[8])
    draw_batch(pairs, seed=1, step=6, batch=4, patches=[8])
    np.random.seed(0)
    again, _ = draw_batch(pairs, seed=1, step=5, batch=4, patches=[8])
    assert np.array_equal(first, again)
    for seed, step in ((1, 6), (2, 5)):
        other, _ = draw_batch(pairs, seed=seed, step=step, batch=4, patches=[8])
        assert not np.array_equal(first, other)


def test_a_patch_as_large_as_an_image_is_drawn_whole(make_pairs: MakePairs) -> None:
    pairs = open_pairs(make_pairs("set", [(8, 8)]))
    low, _ = draw_batch(pairs, seed=0, step=1, batch=16, patches=[8])
    turns = {orient(pairs.lr[0], turn).tobytes() for turn in range(8)}
    assert {patch.tobytes() for patch in low} <= turns


def test_orientations_are_the_eight_of_a_square() -> None:
    image = np.arange(9).reshape(3, 3)
    assert len({orient(image, turn).tobytes() for turn in range(8)}) == 8
    assert np.array_equal(orient(image, 0), image)
    assert np.array_equal(orient(image, 4), np.fliplr(image))


def test_a_patch_larger_than_an_image_names_the_image(make_pairs: MakePairs) -> None:
    pairs = open_pairs(make_pairs("set", SHAPES))
    check_patches(pairs, [9, 4])
    with pytest.raises(UserError, match=r"set\.json: image1: expected at least 10x10 LR pixels.*found 16x9"):
        check_patches(pairs, [4, 10])


def test_no_index(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.json: expected a clip's index"):
        open_pairs(tmp_path / "nothing.json")


def change(index: Path, **changes: object) -> Path:
    index.write_text(json.dumps({**json.loads(index.read_text()), **changes}))
    return index


def test_hr_that_is_not_twice_lr(make_pairs: MakePairs) -> None:
    index = change(make_pairs("set", [(8, 8)]), hr_shapes=[[16, 18]])
    with pytest.raises(UserError, match=r"image0: expected HR twice LR 8x8, found 16x18"):
        open_pairs(index)


@pytest.mark.parametrize(
    "changes", [{"names": []}, {"names": ["a", "b"]}, {"lr_shapes": "no"}, {"names": None}]
)
def test_an_index_that_does_not_fit(make_pairs: MakePairs, changes: dict[str, object]) -> None:
    index = change(make_pairs("set", [(8, 8)]), **changes)
    with pytest.raises(UserError, match=r"set\.json: expected"):
        open_pairs(index)


def test_patches_of_every_size_with_as_many_pixels(make_pairs: MakePairs) -> None:
    pairs = open_pairs(make_pairs("set", [(30, 24)]))
    shapes = {draw_batch(pairs, 0, step, batch=16, patches=[6, 9, 12])[0].shape for step in range(40)}
    # 16 x 6 x 6 = 576 pixels, 7 x 9 x 9 = 567, 4 x 12 x 12 = 576
    assert shapes == {(16, 6, 6, 3), (7, 9, 9, 3), (4, 12, 12, 3)}
