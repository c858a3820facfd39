"""The weights that the package holds, judged on photographs that a dependency carries."""

import json
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from superres.data.resampling import downsample
from superres.device.frames.pixels import upscale_bicubic
from superres.models.networks import NETWORKS, build_network
from superres.models.training.validation import psnr_y_db, upscale
from superres.models.weights import load_weights, pretrained

PHOTOGRAPH = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


@pytest.mark.parametrize("model", NETWORKS)
def test_record_promises_two_db_over_bicubic(model: str) -> None:
    record = json.loads(pretrained(model).with_suffix(".json").read_text())
    assert record["model"] == model
    assert record["validation_psnr_y_db"] >= record["bicubic_psnr_y_db"] + 2.0
    assert not set(record["data"]["training"]["names"]) & set(record["data"]["validation"]["names"])
    assert pretrained(model).stat().st_size < 1_000_000


@pytest.mark.parametrize("model", NETWORKS)
def test_better_than_bicubic_on_a_photograph_it_never_saw(model: str) -> None:
    # Halved first, which takes the JPEG artefacts away.
    photograph = downsample(np.asarray(Image.open(PHOTOGRAPH).convert("RGB"))[:600, :512], "area")
    low = downsample(photograph, "bicubic")
    network = load_weights(build_network(model), pretrained(model))
    gain = psnr_y_db(upscale(network, low), photograph) - psnr_y_db(upscale_bicubic(low), photograph)
    assert gain > 1.0
