"""The page in a real browser: figures, filters, copies, pixels, keyboard, accessibility, sizes and themes.

Screenshots are kept in the folder that `SUPERRES_SCREENSHOTS` names, if it names one.
"""

import csv
import io
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from far_side import wait_until
from superres.csv_rows import write_rows
from superres.quantization.layers.schema import Frontier, Sensitivity
from superres.report.page.build import PageFiles, build_page
from superres.report.page.int8 import Int8Files

from ..metrics.test_profiles import write_profile
from ..plots.test_layers import frontier_rows, sensitivity_rows
from ..synthetic import not_run, row
from .study import NOT_RUN, rows_of_test, text_of_test, write_study

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright isn't installed: envs/dev.txt")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
# A root's Chromium has no sandbox.
ARGUMENTS = ["--no-sandbox"]
Page = Any
INT8 = "local/openvino/espcn_rgb/int8-minmax"
FP32 = "local/openvino/espcn_rgb/fp32"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> PageFiles:
    """The files of a study with something in every section."""
    folder = tmp_path_factory.mktemp("study")
    sensitivity, front, drawing = (folder / name for name in ("s.csv", "f.csv", "g.svg"))
    write_rows(Sensitivity, sensitivity_rows("espcn_rgb"), sensitivity)
    write_rows(Frontier, frontier_rows("espcn_rgb"), front)
    drawing.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60"><path d="M9 9h9v9"/></svg>'
    )
    profiles = [write_profile(folder / name, name) for name in ("espcn_rgb", "espcn_ycbcr")]
    return replace(
        write_study(folder),
        int8=Int8Files(sensitivities=[sensitivity], frontiers=[front]),
        drawings={"espcn_rgb": drawing},
        profiles=profiles,
    )


@pytest.fixture(scope="module")
def html(files: PageFiles) -> Path:
    return write_html(files)


def write_html(files: PageFiles) -> Path:
    out = files.metrics.with_name("index.html")
    build_page(files, text_of_test(), command="snakemake --cores 4 TARGET", out=out)
    return out


class Opened:
    """A page with its faults: messages of errors, and requests that leave it."""

    def __init__(self, browser: Any, html: Path, script: str = "", **options: Any):
        permissions = ["clipboard-read", "clipboard-write"]
        self.context = browser.new_context(permissions=permissions, **options)
        self.page: Page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on(
            "console", lambda m: self.faults.append(m.text) if m.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.faults.append(dialog.message), dialog.dismiss()))
        self.page.on("request", self._request)
        self.context.add_init_script(script)
        self.page.goto(html.as_uri())
        self.page.wait_for_selector("#tradeoff .main-svg")

    def _request(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.faults.append(request.url)

    def until(self, expression: str) -> None:
        """Wait for an expression; Playwright's own way needs `eval`, which the page's policy forbids."""
        for _ in range(400):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never: {expression}")

    def lines(self) -> list[list[str]]:
        """The table's rows, as they are shown."""
        return self.page.eval_on_selector_all(
            "#arms tbody tr", "lines => lines.map((l) => [...l.cells].slice(1).map((c) => c.textContent))"
        )

    def header(self) -> list[str]:
        return [text.strip() for text in self.page.locator("#arms thead th").all_inner_texts()][1:]

    def pixels(self, canvas: str) -> np.ndarray:
        """A canvas's pixels, height x width x RGBA."""
        found = self.page.evaluate(
            """(id) => { const c = document.getElementById(id), context = c.getContext("2d");
            return [c.height, c.width, [...context.getImageData(0, 0, c.width, c.height).data]]; }""",
            canvas,
        )
        return np.array(found[2], np.uint8).reshape(found[0], found[1], 4)

    def close(self) -> None:
        assert self.faults == []
        self.context.close()


@pytest.fixture
def opened(browser: Any, html: Path) -> Iterator[Opened]:
    opened = Opened(browser, html, viewport={"width": 1280, "height": 900})
    yield opened
    opened.close()


def metrics_of(files: PageFiles) -> dict[str, dict[str, Any]]:
    keys = ("target", "runtime", "model", "precision")
    return {"/".join(r[key] for key in keys): r for r in pl.read_csv(files.metrics).iter_rows(named=True)}


def test_every_arm_is_in_the_table_with_its_figures(opened: Opened, files: PageFiles):
    metrics = metrics_of(files)
    header, lines = opened.header(), opened.lines()
    arms = opened.page.eval_on_selector_all(".pick", "all => all.map((one) => one.dataset.arm)")
    assert sorted(arms) == sorted(metrics)
    for arm, line in zip(arms, lines, strict=True):
        cells, expected = dict(zip(header, line, strict=True)), metrics[arm]
        if expected["status"] == "ok":
            assert cells["PSNR [dB]"] == f"{expected['psnr_db']:.2f}"
            assert cells["FPS"] == f"{expected['fps']:.1f}"
            assert cells["Engine [KiB]"] == f"{expected['engine_bytes'] / 1024:.0f}"
        else:
            assert cells["Not run: why"] == NOT_RUN
            assert cells["FPS"] == "–"


def test_sorting_and_filtering_show_the_right_arms(opened: Opened, files: PageFiles):
    page, metrics = opened.page, metrics_of(files)
    place = opened.header().index("FPS")
    heading = page.locator("#arms thead th", has_text="FPS")
    for reverse in (False, True):
        heading.click()
        opened.until(f"document.querySelector('th.dt-ordering-{'desc' if reverse else 'asc'}') !== null")
        shown = [line[place] for line in opened.lines() if line[place] != "–"]
        fps = sorted((r["fps"] for r in metrics.values() if r["fps"]), reverse=reverse)
        assert shown == [f"{value:.1f}" for value in fps]
    page.select_option("[data-filter=precision]", "INT8 minmax")
    page.select_option("[data-filter=runtime]", "OpenVINO")
    assert len(opened.lines()) == sum("/openvino/" in a and a.endswith("/int8-minmax") for a in metrics) == 2
    page.select_option("[data-filter=precision]", "")
    page.fill(".dt-search input", "bf16")
    assert len(opened.lines()) == 2
    page.check("#intervals")
    assert "99% [ms]" in opened.header()


def test_copies_have_the_rows_that_are_shown(opened: Opened, files: PageFiles):
    page, metrics = opened.page, metrics_of(files)
    page.select_option("[data-filter=precision]", "INT8 minmax")
    page.check("#intervals")

    def copy(kind: str) -> str:
        page.click(f"[data-copy={kind}]")
        opened.until("document.getElementById('said').textContent")
        return page.evaluate("navigator.clipboard.readText()").replace("\r\n", "\n")

    rows = [*csv.DictReader(io.StringIO(copy("csv")))]
    assert "Copied 4 rows as CSV." in page.inner_text("#said")
    expected = [r for r in metrics.values() if r["precision"] == "int8-minmax"]
    for key in ("fps", "psnr_db", "latency_p99_ms"):
        assert sorted(float(r[key]) for r in rows) == sorted(r[key] for r in expected)
    markdown = copy("markdown").splitlines()
    assert len(markdown) == 2 + 4 and len({line.count("|") for line in markdown}) == 1
    latex = copy("latex")
    assert latex.startswith("\\begin{tabular}{lll") and latex.count("\\\\\n") == 1 + 4
    assert "ESPCN\\_RGB" in latex and "Limit [\\%]" in latex


def test_hover_has_the_arms_facts_and_a_click_chooses_it(opened: Opened, files: PageFiles):
    page = opened.page
    page.evaluate(
        "document.getElementById('tradeoff').scrollIntoView({ block: 'center', behavior: 'instant' })"
    )
    x, y = page.evaluate(
        """(arm) => { const plot = document.getElementById("tradeoff"), layout = plot._fullLayout;
        const trace = plot.data.find((one) => one.name !== "front" && one.customdata?.includes(arm));
        const index = trace.customdata.indexOf(arm), box = plot.getBoundingClientRect();
        return [box.x + layout.xaxis._offset + layout.xaxis.d2p(trace.x[index]),
                box.y + layout.yaxis._offset + layout.yaxis.d2p(trace.y[index])]; }""",
        INT8,
    )
    page.mouse.move(x - 40, y - 40)
    page.mouse.move(x, y)
    page.wait_for_selector(".hoverlayer .hovertext")
    text = page.locator(".hoverlayer").text_content() or ""
    expected = metrics_of(files)[INT8]
    assert "OpenVINO INT8 minmax ESPCN_RGB" in text
    assert f"FPS: {expected['fps']:.1f}" in text and f"PSNR [dB]: {expected['psnr_db']:.2f}" in text
    page.mouse.down()
    page.mouse.up()
    page.wait_for_selector(f'.pick[data-arm="{INT8}"][aria-pressed=true]')
    assert page.input_value("#compare-a") == INT8
    page.check("#only")
    assert len(opened.lines()) == 1


def test_the_front_is_what_no_other_beats(browser: Any, tmp_path: Path):
    rows = rows_of_test()
    fastest = max((r for r in rows if r["model"] != "bicubic"), key=lambda r: r.get("fps", 0.0))
    fastest["cautions"] = "overflowing: two products in 1 layer"
    files = write_study(tmp_path, rows)
    opened = Opened(browser, write_html(files))
    front = opened.page.evaluate(
        "() => document.getElementById('tradeoff').data.find((one) => one.name === 'front').customdata"
    )
    opened.close()
    sound = {
        a: r
        for a, r in metrics_of(files).items()
        if r["fps"] and r["model"] != "bicubic" and r["cautions"] != fastest["cautions"]
    }
    best = {
        a
        for a, r in sound.items()
        if not any(
            o["fps"] >= r["fps"]
            and o["psnr_db"] >= r["psnr_db"]
            and (o["fps"], o["psnr_db"]) != (r["fps"], r["psnr_db"])
            for o in sound.values()
        )
    }
    assert {*front} == best


def test_the_sliders_pixels_are_the_frames(opened: Opened, files: PageFiles):
    page = opened.page
    page.select_option("#compare-a", FP32)
    page.select_option("#compare-b", INT8)
    opened.until("document.getElementById('pair-names').textContent.includes('Right: OpenVINO INT8')")
    buttons = page.locator("#places button")
    assert buttons.count() > 1
    # The place where the two differ most is shown first: INT8 is wrong in rows 200 to 259.
    left, right = np.load(files.samples["park"][FP32]), np.load(files.samples["park"][INT8])
    part = find(left, opened.pixels("left")[..., :3])
    assert np.array_equal(opened.pixels("right")[..., :3], right[part])
    error = np.abs(left[part].astype(int) - right[part]).max(axis=2)
    assert part[0].start <= 200 and part[0].stop >= 260
    assert f"{error.mean():.2f} levels on average, {error.max()} at most" in buttons.first.inner_text()
    map_ = opened.pixels("error")[..., :3].astype(int).sum(axis=2)
    assert np.array_equal(map_ == 0, error == 0)
    assert page.inner_text("#ramp-end") == f"{error.max()} levels"
    page.select_option("#compare-zoom", "8")
    assert page.evaluate("document.getElementById('left').clientWidth") == 8 * left[part].shape[1]
    page.evaluate("document.querySelectorAll('.view')[0].scrollTo(300, 200)")
    opened.until("document.querySelectorAll('.view')[1].scrollLeft === 300")


def find(frame: np.ndarray, crop: np.ndarray) -> tuple[slice, slice]:
    """The part of a frame that a crop is."""
    height, width = crop.shape[:2]
    for top in range(frame.shape[0] - height + 1):
        for left in np.flatnonzero((frame[top, : frame.shape[1] - width + 1] == crop[0, 0]).all(axis=1)):
            part = (slice(top, top + height), slice(int(left), int(left) + width))
            if np.array_equal(frame[part], crop):
                return part
    raise AssertionError("the crop isn't of the frame")


def test_the_keyboard_reaches_everything(opened: Opened):
    page = opened.page
    wanted = set(
        page.evaluate(
            """() => [...document.querySelectorAll("a[href], button, select, input, summary, [tabindex='0']")]
            .filter((one) => one.checkVisibility() && !one.disabled && one.tabIndex >= 0)
            .filter((one) => one.matches("summary") || !one.closest("details:not([open])"))
            .map((one, index) => (one.dataset.number = `${index}`))"""
        )
    )
    reached = set()
    for _ in range(2 * len(wanted)):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.number"))
    missed = page.evaluate(
        "all => all.map((one) => document.querySelector(`[data-number='${one}']`).outerHTML.slice(0, 99))",
        sorted(wanted - reached),
    )
    assert missed == []
    page.locator(f'.pick[data-arm="{INT8}"]').focus()
    page.keyboard.press("Enter")
    assert page.get_attribute(f'.pick[data-arm="{INT8}"]', "aria-pressed") == "true"
    assert page.evaluate("document.activeElement.dataset.arm") == INT8
    slider = page.locator("#slider")
    slider.focus()
    page.keyboard.down("ArrowRight")
    opened.until("document.getElementById('slider').value > 60")
    page.keyboard.up("ArrowRight")
    assert float(slider.get_attribute("aria-valuenow") or 0) > 50


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 2560])
def test_sizes_and_themes(browser: Any, html: Path, width: int, scheme: str):
    opened = Opened(browser, html, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = opened.page
    opened.until("document.getElementById('places').children.length")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    page.add_script_tag(content=(resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    # What is folded away too: the chooser of columns, tables of the paper's layout and of hashes.
    folded = page.evaluate(
        "() => [...document.querySelectorAll('details:not([open])')].map((one) => (one.open = true)).length"
    )
    assert folded >= 4
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    page.evaluate("document.querySelector('.columns').open = false")
    serious = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in serious] == []
    # Plots are drawn when they come into sight.
    for plot in page.locator(".plot").all():
        plot.scroll_into_view_if_needed()
        plot.locator(".main-svg").first.wait_for()
    assert overlaps(page) == []
    if folder := os.environ.get("SUPERRES_SCREENSHOTS"):
        page.evaluate("window.scrollTo(0, 0)")
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder, f"page.{width}.{scheme}.png"), full_page=True)
    opened.close()


def test_the_tool_bar_covers_nothing_and_sends_nothing(opened: Opened):
    page = opened.page
    page.hover("#tradeoff")
    bar, legend, plot = (
        page.locator(f"#tradeoff {name}").bounding_box()
        for name in (".modebar", ".legend", ".cartesianlayer")
    )
    assert bar and legend and plot
    assert bar["y"] + bar["height"] <= min(legend["y"], plot["y"])
    titles = page.eval_on_selector_all(".modebar-btn", "all => all.map((one) => one.dataset.title)")
    assert {*titles} == {"Download plot as a PNG", "Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes"}


def test_the_table_fits_and_its_columns_can_be_chosen(opened: Opened, files: PageFiles):
    page = opened.page
    width, room = page.evaluate(
        "(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth])($('arms').parentElement)"
    )
    assert width <= room
    assert "PSNR_Y [dB]" not in opened.header()
    page.click(".columns summary")
    page.check(".columns label:has-text('PSNR_Y') input")
    page.uncheck(".columns label:has-text('Latency') input")
    header = opened.header()
    assert "PSNR_Y [dB]" in header and "Latency [ms]" not in header
    arms = page.eval_on_selector_all(".pick", "all => all.map((one) => one.dataset.arm)")
    expected = metrics_of(files)[FP32]["psnr_y_db"]
    assert opened.lines()[arms.index(FP32)][header.index("PSNR_Y [dB]")] == f"{expected:.2f}"


GROUND = "getComputedStyle(document.body).backgroundColor"
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(20, 23, 28)"
NO_STORAGE = (
    "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('not allowed'); } })"
)


@pytest.mark.parametrize("allowed", [True, False])
def test_the_button_changes_the_theme(browser: Any, html: Path, allowed: bool):
    opened = Opened(browser, html, color_scheme="dark", script="" if allowed else NO_STORAGE)
    page = opened.page

    def texts_of_the_plot() -> str:
        return page.evaluate("getComputedStyle(document.querySelector('#tradeoff .ytick text')).fill")

    assert page.evaluate(GROUND) == DARK
    dark = texts_of_the_plot()
    page.focus("#theme")
    page.keyboard.press("Enter")
    opened.until(f"{GROUND} === '{LIGHT}'")
    wait_until(lambda: texts_of_the_plot() != dark, "a plot in other colours")
    # Kept over a change of the system's, and where it may be, over the next visit.
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        seen = LIGHT if allowed or scheme == "light" else DARK
        # A change is told with the next frame.
        page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        opened.until(f"{GROUND} === '{seen}'")
    seen = LIGHT if allowed else DARK
    # The browser hands the choice on in a process of its own, some time later: the page that wrote it stays.
    visit = opened.context.new_page()
    visit.emulate_media(color_scheme="dark")

    def is_kept() -> bool:
        visit.goto(html.as_uri())
        return visit.evaluate(GROUND) == seen

    wait_until(is_kept, f"a page in {seen}")
    opened.close()


def test_paper_is_light(browser: Any, html: Path):
    opened = Opened(browser, html, color_scheme="dark")
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.page.evaluate(GROUND) == LIGHT
    opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.page.evaluate(GROUND) == DARK
    opened.close()


def overlaps(page: Page) -> list[str]:
    """Parts of a plot that lie over each other: legend, titles of axes, and what the axes hold."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".plot")].flatMap((plot) => {
            const names = [".legend", ".xtitle", ".ytitle", ".bglayer .bg, .draglayer .nsewdrag"];
            const boxes = names.map((name) => [name, plot.querySelector(name)?.getBoundingClientRect()]);
            const over = (a, b) => a?.width && b?.width
                && Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
                && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
            return boxes.flatMap(([name, box], i) => boxes.slice(0, i).filter(([, other]) => over(box, other))
                .map(([other]) => `${plot.ariaLabel}: ${other} over ${name}`));
        })"""
    )


def test_print_has_every_arm_and_no_controls(opened: Opened):
    opened.page.emulate_media(media="print")
    opened.page.evaluate("window.onbeforeprint()")
    assert not opened.page.is_visible("[data-filter=runtime]")
    assert len(opened.lines()) == 20


def test_long_names_leave_room_for_every_column(browser: Any, tmp_path: Path):
    recipe = "int8-minmax+balance+asymmetric+adaround"
    rows = [row(r, "espcn_ycbcr_folded", p, 31.0, 40.0) for r in ("openvino", "onnxruntime")
            for p in ("fp32", recipe)]  # fmt: skip
    html = write_html(write_study(tmp_path, rows))
    opened = Opened(browser, html, viewport={"width": 1280, "height": 900})
    page = opened.page
    width, room = page.evaluate(
        "(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth])($('arms').parentElement)"
    )
    assert width <= room and "Engine [KiB]" in opened.header()
    # A name that is broken is still one.
    page.fill(".dt-search input", "balance+asymmetric")
    names = [line[opened.header().index("Precision")] for line in opened.lines()]
    assert names == ["INT8 minmax+balance+asymmetric+adaround"] * 2
    # Lists of arms are as wide as they look: nothing is pushed away by what they could be.
    labels = page.locator("#compare .controls label:visible").all()
    for box, inner in ((each.bounding_box(), each.locator("select").bounding_box()) for each in labels):
        assert box and inner and box["x"] + box["width"] - (inner["x"] + inner["width"]) < 2
    opened.close()


ONE = [row("openvino", "espcn_rgb", "fp32", 31.0, 140.0)]
NONE = [not_run("openvino", "espcn_rgb", "fp32", "no memory")]


@pytest.mark.parametrize("pictures", [False, True])
@pytest.mark.parametrize("rows", [ONE, NONE], ids=["one arm", "none ran"])
def test_small_studies(browser: Any, tmp_path: Path, rows: Sequence[dict], pictures: bool):
    opened = Opened(browser, write_html(write_study(tmp_path, rows, pictures=pictures)))
    assert len(opened.lines()) == 1
    # No axes without a figure.
    assert (opened.page.locator("#tradeoff .xtick").count() == 0) == (rows is NONE)
    opened.close()


def test_two_thousand_arms_can_be_used(browser: Any, tmp_path: Path):
    rows = [
        row("openvino", f"net{number:03}", precision, 30 + number / 1000, 10 + number / 100)
        for number in range(1000)
        for precision in ("fp32", "int8-minmax")
    ]
    opened = Opened(browser, write_html(write_study(tmp_path, rows, pictures=False)))
    assert "of 2,000 rows" in opened.page.inner_text(".dt-info")
    # What is drawn doesn't grow with the arms: marks of a few traces, and lines of one page.
    traces, lines = opened.page.evaluate(
        "[$('tradeoff').data.length, document.querySelectorAll('#arms tbody tr').length]"
    )
    assert traces <= 18 and lines == 25
    opened.page.fill(".dt-search input", "net999")
    opened.until("document.querySelectorAll('#arms tbody tr').length === 2")
    opened.close()
