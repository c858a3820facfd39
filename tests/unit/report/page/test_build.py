import base64
import hashlib
import html
import io
import itertools
import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from superres.device.base.errors import UserError
from superres.report import labels
from superres.report.metrics.cautions import NOISE_MARK, PICTURE_MARKS
from superres.report.metrics.relative import with_added
from superres.report.page import build, pictures
from superres.report.page.arms import MOST_COLOURS
from superres.report.page.build import PageFiles, build_page, page_data
from superres.report.page.data import STYLE, ClipPictures, PageData, Place
from superres.report.page.template import render
from superres.report.page.vendor.parts import PARTS
from superres.report.recommendation.decide import Wish

from ..synthetic import default_rows, not_run, row
from .study import DESCRIPTION, NOT_RUN, rows_of_test, text_of_test, write_study

ADVISED = "local/openvino/espcn_ycbcr/bf16"
COMMAND = "snakemake --cores 4 TARGET"


def write_page(files: PageFiles, out: Path) -> str:
    build_page(files, text_of_test(), command=COMMAND, out=out)
    return out.read_text(encoding="utf-8")


def data_of(page: str) -> dict[str, Any]:
    """The page's data, as a browser finds it."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def test_figures_are_those_of_the_metrics(tmp_path: Path):
    files = write_study(tmp_path)
    rows = data_of(write_page(files, tmp_path / "index.html"))["rows"]
    metrics = {
        (*(r[key] for key in ("target", "runtime", "model", "precision")), r["clip"]): r
        for r in pl.read_csv(files.metrics).iter_rows(named=True)
    }
    assert {(*r["arm"].split("/"), r["clip"]) for r in rows} == set(metrics)
    for found in rows:
        expected = metrics[*found["arm"].split("/"), found["clip"]]
        for key in (
            "psnr_db",
            "psnr_y_db",
            "ssim_y",
            "fps",
            "latency_p50_ms",
            "latency_p99_ms",
            "speedup_low",
        ):
            assert found[key] == expected[key]
        assert (found["status"] == "") == (expected["status"] == "ok")
        if expected["status"] == "ok":
            assert found["limit_percent"] == pytest.approx(100 * expected["limit_fraction"])
            assert found["memory_mib"] * 2**20 == expected["memory_bytes"]
            assert f"FPS: {expected['fps']:.1f}" in found["hover"]
    int8 = next(r for r in rows if r["arm"] == "local/openvino/espcn_rgb/int8-minmax")
    assert int8["loss_db"] == pytest.approx(0.21)


def test_each_mark_is_explained_below_the_table(tmp_path: Path):
    page = write_page(write_study(tmp_path, pictures=False), tmp_path / "index.html")
    said = html.unescape(page[page.index("<b>Marks</b>") :][:600])
    for mark in (NOISE_MARK, *PICTURE_MARKS.values()):
        assert f" {mark} " in said


def test_a_marked_picture_is_not_on_the_front(tmp_path: Path):
    rows = default_rows()
    rows[1]["cautions"] = "overflowing: two products in 1 layer"
    rows[2]["cautions"] = "noisy: 0.6 processors were busy with other work"
    unsound = [one for one in rows if one["model"] == "bicubic" or one is rows[1]]
    data = page_data(write_study(tmp_path, rows, pictures=False), text_of_test(), COMMAND)
    assert {one["arm"] for one in data.rows if not one["sound"]} == {labels.arm_folder(r) for r in unsound}


def test_scales_are_not_mixed(tmp_path: Path):
    rows = [*default_rows(), row("openvino", "net_x4", "fp32", 27.0, 30.0, scale=4)]
    data = page_data(write_study(tmp_path, rows, pictures=False), text_of_test(), COMMAND)
    assert {found["clip"] for found in data.rows} == {"park x2", "park x4"}
    assert [found["clip"] for found in data.rows if found["model"] == "net_x4"] == ["park x4"]


def test_no_column_is_empty_and_reasons_are_listed(tmp_path: Path):
    data = page_data(write_study(tmp_path), text_of_test(), COMMAND)
    keys = [column.key for column in data.columns]
    assert "energy_mj_per_frame" not in keys and "device_memory_mib" not in keys
    for key in keys:
        assert any(row[key] not in (None, "") for row in data.rows), key
    assert [(each.reason, [*each.arms]) for each in data.not_run] == [(NOT_RUN, ["OpenVINO FP16 ESPCN_RGB"])]


def test_the_table_has_the_squared_error_that_is_added_beside_its_root(tmp_path: Path):
    """50 levels squared at 31.141 dB, and 54 at 30.807; less than FP32's has no root."""
    arms = {"fp32": 50.0, "int8-minmax": 54.0, "bf16": 49.5}
    rows = [
        row("openvino", "net", name, 31.0, 100.0, psnr_of_mean_db=10 * math.log10(255**2 / error))
        for name, error in arms.items()
    ]
    data = page_data(write_study(tmp_path, with_added(rows), pictures=False), text_of_test(), COMMAND)
    keys = [column.key for column in data.columns]
    assert keys.index("added_levels") == keys.index("added_mse") + 1
    found = {row["precision"]: (row["added_mse"], row["added_levels"]) for row in data.rows}
    assert found["INT8 minmax"] == (pytest.approx(4), pytest.approx(2))
    assert found["BF16"] == (pytest.approx(-0.5), None)


def test_three_sentences_say_what_to_ship(tmp_path: Path):
    (advice,) = page_data(write_study(tmp_path), text_of_test(), COMMAND).advice
    ship, gain, loss = advice.sentences
    assert ship.startswith("Ship OpenVINO BF16 ESPCN_YCbCr: ") and ship.endswith(" dB.")
    assert "times" in gain and "(" in gain
    assert loss == "It loses 0.01 dB against the best FP32." or loss.startswith("It loses")


def test_the_sentences_name_the_clip_and_what_int8_would_bring(tmp_path: Path):
    rows = [
        row("openvino", "net", precision, psnr, ms, clip=clip)
        for clip, lost in (("park", 0.0), ("rooms", 12.0))
        for precision, psnr, ms in (("fp32", 31 + lost, 100.0), ("int8-minmax", 30.5 + lost, 40.0))
    ]
    (advice,) = page_data(write_study(tmp_path, rows, pictures=False), text_of_test(), COMMAND).advice
    ship, gain, _ = advice.sentences
    assert ship == "Ship OpenVINO FP32 net: 10.0 FPS at 31.00 dB on park, its lowest."
    int8 = re.search(r"OpenVINO INT8 minmax net is 2\.50 times \(.*\) as fast as (.*)", gain)
    assert int8 and int8[1] == "OpenVINO FP32 net and loses 0.50 dB: INT8 is faster, but it misses the wish."


def test_the_day_is_that_of_the_measurement(tmp_path: Path):
    files = write_study(tmp_path)
    # Copied without its time.
    os.utime(files.manifests[0], (0, 0))
    page = write_page(files, tmp_path / "index.html")
    assert "<dt>Date</dt><dd>2026-11-28</dd>" in page


def test_commands_can_be_pasted(tmp_path: Path):
    rows = [
        r | {"manifest": f"results/default/arms/{labels.arm_folder(r)}/manifest.json"} for r in default_rows()
    ]
    page = write_page(write_study(tmp_path, rows, pictures=False), tmp_path / "index.html")
    commands = [html.unescape(found) for found in re.findall(r"<code>(snakemake [^<]*)</code>", page)]
    manifest = f"results/default/arms/{ADVISED}/manifest.json"
    ask = "snakemake --cores 4 recommend --config recommend='{fps: 30}'"
    assert {"snakemake --cores 4 all", f"snakemake --cores 4 {manifest}", ask} <= set(commands)


class _Elements(HTMLParser):
    """The elements of a page, outside scripts and styles, with their attributes."""

    def __init__(self):
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]):
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action", "onerror")]


def test_text_of_the_study_is_escaped(tmp_path: Path):
    page = write_page(write_study(tmp_path), tmp_path / "index.html")
    elements = _Elements()
    elements.feed(page)
    # No element of a name: neither bold nor italic nor underlined text, nor another script.
    assert not {"i", "u"} & set(elements.tags)
    assert elements.tags.count("script") == 3 + len(PARTS)
    assert all(link.startswith(("#", "data:image/")) for link in elements.links), elements.links
    data = data_of(page)
    assert data["description"] == DESCRIPTION
    for found in data["rows"]:
        assert set(re.findall(r"<[^>]*>", found["hover"])) <= {"<b>", "</b>", "<br>"}


def test_scripts_of_others_are_unchanged_and_inside(tmp_path: Path):
    page = write_page(write_study(tmp_path, pictures=False), tmp_path / "index.html")
    for part in PARTS:
        content = part.path.read_bytes()
        assert hashlib.sha256(content).hexdigest() == part.sha256
        assert content.decode().replace("</script", "<\\/script").replace("<!--", "<\\!--") in page


def test_own_scripts_are_short():
    texts = [path.read_text(encoding="utf-8") for path in Path(render.__file__).parent.glob("*.js")]
    lines = [line for text in texts for line in text.splitlines()]
    assert len(texts) == 2 and len(lines) <= 200
    assert max(map(len, lines)) <= 120


def decode(place: Place, name: str) -> np.ndarray:
    """A picture by an independent way: its WebP, plus the one that it is a difference from."""

    def picture(number: int) -> np.ndarray:
        found = place.pictures[number]
        with Image.open(io.BytesIO(base64.b64decode(found.webp))) as image:
            pixels = np.asarray(image.convert("RGB"))
        return pixels if found.base is None else pixels + picture(found.base)

    return picture(place.shown[name])


def shown(files: PageFiles) -> ClipPictures:
    (found,) = page_data(files, text_of_test(), COMMAND).pictures
    return found


def test_pictures_are_the_frames_to_the_pixel(tmp_path: Path):
    files = write_study(tmp_path)
    clip = shown(files)
    hr = np.load(files.clips[0].hr)[0]
    assert len(clip.places) > 1
    for place in clip.places:
        part = (slice(place.y, place.y + place.height), slice(place.x, place.x + place.width))
        assert len(place.shown) == 1 + len(default_rows())
        assert np.array_equal(decode(place, "HR"), hr[part])
        for arm, path in files.samples["park"].items():
            if arm in place.shown:
                assert np.array_equal(decode(place, arm), np.load(path)[part]), arm


def test_places_are_where_arms_differ(tmp_path: Path):
    places = shown(write_study(tmp_path)).places
    first = places[0]
    # INT8 is wrong in rows 200 to 259 and columns 300 to 379.
    assert first.x <= 300 and first.x + first.width >= 380
    assert first.y <= 200 and first.y + first.height >= 260
    for i, one in enumerate(places):
        for other in places[:i]:
            assert abs(one.x - other.x) >= one.width or abs(one.y - other.y) >= one.height


def test_frames_smaller_than_a_crop_are_shown_whole(tmp_path: Path):
    files = write_study(tmp_path)
    hr = np.random.default_rng(1).integers(0, 255, (1, 40, 60, 3), dtype=np.uint8)
    np.save(files.clips[0].hr, hr)
    files.clips[0].index.write_text(json.dumps({"hr_shapes": [(40, 60)], "names": ["small"]}))
    for path in files.samples["park"].values():
        np.save(path, hr[0] + np.uint8(1))
    (place,) = shown(files).places
    assert (place.x, place.y, place.width, place.height) == (0, 0, 60, 40)
    # Equal pictures are stored once.
    assert len(place.pictures) == 2


def test_an_arm_without_a_picture_is_left_out(tmp_path: Path):
    files = write_study(tmp_path)
    gone = "local/openvino/espcn_rgb/int8-minmax"
    np.save(files.samples["park"][gone], np.zeros((10, 10, 3), np.uint8))
    data = page_data(files, text_of_test(), COMMAND)
    assert all(gone not in place.shown for place in data.pictures[0].places)
    assert data.pictures_note.startswith("Without a picture here: 1 of 19 arms.")


def test_pictures_stay_in_their_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = write_study(tmp_path)
    sizes = [sum(len(p.webp) for p in place.pictures) * 3 // 4 for place in shown(files).places]
    monkeypatch.setattr(build, "BUDGET", sizes[0] + sizes[1] + 10)
    assert len(shown(files).places) == 2
    monkeypatch.setattr(build, "BUDGET", 1)
    assert len(shown(files).places) == 1
    monkeypatch.setattr(pictures, "MOST_ARMS", 3)
    arms = [*shown(files).places[0].shown]
    # What is recommended comes first, then bicubic, then FP32 of the runtime that is shown.
    assert {*arms[1:]} == {ADVISED, "local/opencv/bicubic/uint8", "local/openvino/espcn_rgb/fp32"}


def test_a_page_without_pictures_and_networks(tmp_path: Path):
    page = write_page(write_study(tmp_path, pictures=False), tmp_path / "index.html")
    assert 'id="compare"' not in page and 'id="networks-title"' not in page
    assert "names no arms whose operations" in page and "snakemake --cores 4 profile" in page


@pytest.mark.parametrize(
    "rows",
    [
        [row("openvino", "espcn_rgb", "fp32", 31.0, 140.0)],
        [not_run("openvino", "espcn_rgb", "fp32", "no memory")],
        [row("opencv", "bicubic", "uint8", 28.9, 1.1)],
    ],
    ids=["one arm", "no arm that ran", "bicubic alone"],
)
def test_studies_of_one_arm(tmp_path: Path, rows: list[dict]):
    data = data_of(write_page(write_study(tmp_path, rows), tmp_path / "index.html"))
    assert len(data["rows"]) == 1


def test_metrics_of_an_older_version_are_named_and_not_used(tmp_path: Path):
    files = write_study(tmp_path, pictures=False)
    older = pl.read_csv(files.metrics).drop("ssim_y")
    older.write_csv(files.metrics)
    with pytest.raises(UserError, match=r"metrics.csv: .*missing columns: ssim_y"):
        write_page(files, tmp_path / "index.html")
    assert not (tmp_path / "index.html").exists()


def test_two_thousand_arms_make_a_page_of_bounded_size(tmp_path: Path):
    rows = [
        row("openvino", f"net{number:03}", precision, 30 + number / 1000, 10 + number / 100)
        for number in range(1000)
        for precision in ("fp32", "int8-minmax")
    ]
    files = write_study(tmp_path, rows, pictures=False)
    page = write_page(files, tmp_path / "index.html")
    assert len(data_of(page)["rows"]) == 2000
    assert len(page.encode()) < 10_000_000


def test_hostile_markup_in_every_text_survives_the_way_to_json(tmp_path: Path):
    data = PageData.model_validate(data_of(write_page(write_study(tmp_path), tmp_path / "i.html")))
    assert data.study.startswith("test <1>_") and data.clips == {"park": "a <u>turning</u> view"}
    assert {column.key for column in data.columns} <= set(data.rows[0])


def test_a_legend_has_room_for_what_has_colours(tmp_path: Path):
    def coloured(models: int, precisions: int) -> str:
        names = [f"int8-m{number}" for number in range(precisions)]
        rows = [row("openvino", f"net{m}", name, 30.0, 10.0) for m in range(models) for name in names]
        return page_data(write_study(tmp_path, rows, pictures=False), text_of_test(), COMMAND).coloured

    assert [coloured(16, 1), coloured(17, 2), coloured(17, 17)] == ["model", "precision", "runtime"]


def test_the_same_files_give_the_same_page(tmp_path: Path):
    files = write_study(tmp_path, rows_of_test())
    assert write_page(files, tmp_path / "a.html") == write_page(replace(files), tmp_path / "b.html")


def oklab(colour: str) -> np.ndarray:
    """A colour's place in Oklab, where distances are those that are seen (Ottosson, 2020)."""
    first = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
             [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
    second = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
              [0.0259040371, 0.7827717662, -0.8086757660]]  # fmt: skip
    return np.array(second) @ np.cbrt(np.array(first) @ linear(colour))


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def test_each_network_has_a_colour_of_its_own_on_both_grounds():
    colours = [*STYLE["colorway"]]
    assert len(colours) > MOST_COLOURS
    places = [oklab(colour) for colour in colours]
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(places, 2)) > 0.08
    for ground in ("#ffffff", "#14171c"):
        for colour in colours:
            dark, light = sorted(linear(c) @ [0.2126, 0.7152, 0.0722] + 0.05 for c in (ground, colour))
            assert light / dark > 2, (colour, ground)


def spoil(*path: str | int, value: Any = None) -> Callable[[dict[str, Any]], None]:
    """Take a key away, or replace what it has."""

    def change(record: Any) -> None:
        *before, last = path
        for key in before:
            record = record[key]
        if value is None:
            del record[last]
        else:
            record[last] = value

    return change


OTHERS = {
    "targets.0.ship.losses_db: field required": spoil("targets", 0, "ship", "losses_db"),
    "targets.0.int8.0.verdict: field required": spoil("targets", 0, "int8", 0, "verdict"),
    "summary: ": spoil("summary", value=[]),
    "arms of metrics.csv, found local/openvino/gone/fp32": spoil(
        "targets", 0, "ship", "arm", value="local/openvino/gone/fp32"
    ),
}


@pytest.mark.parametrize("said", OTHERS)
def test_an_older_recommendation_or_another_studys_is_named(tmp_path: Path, said: str):
    files = write_study(tmp_path, pictures=False)
    record = json.loads(files.recommendation.read_text(encoding="utf-8"))
    OTHERS[said](record)
    files.recommendation.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        write_page(files, tmp_path / "index.html")
    line = str(caught.value)
    assert line.startswith(f"{files.recommendation}: expected ") and line.endswith("run the study again")
    assert not (tmp_path / "index.html").exists()


@pytest.mark.parametrize("content", [None, b"no array"])
def test_an_arms_picture_that_is_none_is_named(tmp_path: Path, content: bytes | None):
    files = write_study(tmp_path)
    path = files.samples["park"][ADVISED]
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match=r"an arm's picture \(\.npy\), found (none|other bytes); .* repair"):
        write_page(files, tmp_path / "index.html")


def test_frames_smaller_than_a_block_are_shown_whole(tmp_path: Path):
    files = write_study(tmp_path, [row("openvino", "espcn_rgb", "fp32", 31.0, 140.0)])
    np.save(files.clips[0].hr, np.zeros((1, 6, 5, 3), np.uint8))
    files.clips[0].index.write_text(json.dumps({"hr_shapes": [[6, 5]], "names": ["a"]}))
    for path in files.samples["park"].values():
        np.save(path, np.ones((6, 5, 3), np.uint8))
    (shown,) = page_data(files, text_of_test(), COMMAND).pictures
    (place,) = shown.places
    assert (place.width, place.height) == (5, 6) and len(place.pictures) == 2


def test_a_loss_on_own_pictures_is_said(tmp_path: Path):
    rows = with_added([row("openvino", "espcn_rgb", "fp32", 31.0, 140.0)])
    files = write_study(tmp_path, rows, pictures=False, wish=Wish(own_psnr_db=38))
    page = page_data(files, text_of_test(), COMMAND)
    assert page.wish.endswith("loses at most 0.1 dB on pictures with 38 dB in FP32")
    (advice,) = page.advice
    assert advice.sentences[-1] == "It loses nothing against the best FP32, on pictures where this has 38 dB."


def test_why_nothing_is_recommended(tmp_path: Path):
    gone, spoilt = tmp_path / "gone", tmp_path / "spoilt"
    rows = {
        gone: [not_run("openvino", "espcn_rgb", "fp32", "no memory")],
        spoilt: [row("openvino", "espcn_rgb", "fp32", 31.0, 140.0, cautions="shifted: red by +3.0")],
    }
    said = []
    for folder, mine in rows.items():
        folder.mkdir()
        files = write_study(folder, mine, pictures=False)
        said += [each.sentences for each in page_data(files, text_of_test(), COMMAND).advice]
    assert said == [["No network has run on all clips."], ["No network's picture is without a fault."]]
