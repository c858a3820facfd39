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
    low, high = draw_batch(open_pairs(make_pairs("set", SHAPES), 2), seed=1, step=1, batch=32, patches=[8])
    assert (low.shape, high.shape) == ((32, 8, 8, 3), (32, 16, 16, 3))
    # The fixture's LR is the mean of 2 x 2 HR pixels; other places or orientations don't match.
    means = high.reshape(32, 8, 2, 8, 2, 3).mean((2, 4))
    assert np.abs(means - low).max() < 1


def test_batch_depends_on_seed_and_step_alone(make_pairs: MakePairs) -> None:
    pairs = open_pairs(make_pairs("set", SHAPES), 2)
    first, _ = draw_batch(pairs, seed=1, step=5, batch=4, patches=[8])
    draw_batch(pairs, seed=1, step=6, batch=4, patches=[8])
    np.random.seed(0)
    again, _ = draw_batch(pairs, seed=1, step=5, batch=4, patches=[8])
    assert np.array_equal(first, again)
    for seed, step in ((1, 6), (2, 5)):
        other, _ = draw_batch(pairs, seed=seed, step=step, batch=4, patches=[8])
        assert not np.array_equal(first, other)


def test_a_patch_as_large_as_an_image_is_drawn_whole(make_pairs: MakePairs) -> None:
    pairs = open_pairs(make_pairs("set", [(8, 8)]), 2)
    low, _ = draw_batch(pairs, seed=0, step=1, batch=16, patches=[8])
    turns = {orient(pairs.lr[0], turn).tobytes() for turn in range(8)}
    assert {patch.tobytes() for patch in low} <= turns


def test_orientations_are_the_eight_of_a_square() -> None:
    image = np.arange(9).reshape(3, 3)
    assert len({orient(image, turn).tobytes() for turn in range(8)}) == 8
    assert np.array_equal(orient(image, 0), image)
    assert np.array_equal(orient(image, 4), np.fliplr(image))


def test_a_patch_larger_than_an_image_names_the_image(make_pairs: MakePairs) -> None:
    pairs = open_pairs(make_pairs("set", SHAPES), 2)
    check_patches(pairs, [9, 4])
    with pytest.raises(UserError, match=r"set\.json: image1: expected at least 10x10 LR pixels.*found 16x9"):
        check_patches(pairs, [4, 10])


def test_no_index(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.json: expected a clip's index"):
        open_pairs(tmp_path / "nothing.json", 2)


def change(index: Path, **changes: object) -> Path:
    index.write_text(json.dumps({**json.loads(index.read_text()), **changes}))
    return index


def test_frames_of_another_size_than_the_index_says(make_pairs: MakePairs) -> None:
    index = change(make_pairs("set", [(8, 8)]), hr_shapes=[[16, 18]])
    with pytest.raises(UserError, match=r"set\.hr\.npy: image 0: expected \(16, 18\) as in the index, found"):
        open_pairs(index, 2)


def test_hr_beyond_a_multiple_of_the_scale_has_no_twin(tmp_path: Path) -> None:
    hr = np.random.default_rng(0).integers(0, 256, (1, 31, 29, 3), np.uint8)
    np.save(tmp_path / "set.hr.npy", hr)
    np.save(tmp_path / "set.x3.npy", hr[:, :30:3, :27:3])
    index = tmp_path / "set.json"
    index.write_text(json.dumps({"name": "set", "names": ["a"], "hr_shapes": [[31, 29]]}))
    pairs = open_pairs(index, 3)
    assert np.array_equal(pairs.high(0), hr[0, :30, :27])
    low, high = draw_batch(pairs, seed=0, step=1, batch=64, patches=[8])
    assert high.shape == (64, 24, 24, 3)
    # The corner of each block of 3 x 3 that the patch of LR has, or another corner after a turn.
    corners = [high[:, i::3, j::3] for i in (0, 2) for j in (0, 2)]
    assert (np.stack([(corner == low).all((1, 2, 3)) for corner in corners]).any(0)).all()


@pytest.mark.parametrize("scale", [1, 3, 4])
def test_hr_patches_are_as_much_larger_as_the_scale(make_pairs: MakePairs, scale: int) -> None:
    pairs = open_pairs(make_pairs("set", SHAPES, scale=scale), scale)
    low, high = draw_batch(pairs, seed=1, step=1, batch=32, patches=[8])
    assert high.shape == (32, 8 * scale, 8 * scale, 3)
    means = high.reshape(32, 8, scale, 8, scale, 3).mean((2, 4))
    assert np.abs(means - low).max() < 1


@pytest.mark.parametrize(
    "changes", [{"names": []}, {"names": ["a", "b"]}, {"hr_shapes": "no"}, {"names": None}]
)
def test_an_index_that_does_not_fit(make_pairs: MakePairs, changes: dict[str, object]) -> None:
    index = change(make_pairs("set", [(8, 8)]), **changes)
    with pytest.raises(UserError, match=r"set\.json: expected"):
        open_pairs(index, 2)


def test_patches_of_every_size_with_as_many_pixels(make_pairs: MakePairs) -> None:
    pairs = open_pairs(make_pairs("set", [(30, 24)]), 2)
    shapes = {draw_batch(pairs, 0, step, batch=16, patches=[6, 9, 12])[0].shape for step in range(40)}
    # 16 x 6 x 6 = 576 pixels, 7 x 9 x 9 = 567, 4 x 12 x 12 = 576
    assert shapes == {(16, 6, 6, 3), (7, 9, 9, 3), (4, 12, 12, 3)}
