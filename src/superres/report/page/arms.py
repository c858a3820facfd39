"""The rows and columns of a page's table of arms, and the recommendation in sentences."""

import html
from collections.abc import Callable, Mapping, Sequence

from superres.csv_rows import Row
from superres.device.base.words import counted
from superres.models.settings import is_baseline
from superres.report import labels
from superres.report.metrics.cautions import MEANINGS, NOISE_MARK, NOISY, PICTURE_MARKS, marks
from superres.report.metrics.relative import loss_of
from superres.report.page.data import Advice, Axis, Column, NotRun, Value
from superres.report.page.recommended import Int8, Recommendation, Target
from superres.report.recommendation.write import lost_words, none_words
from superres.report.tables.cells import not_run_reasons

_MIB, _KIB = 1 << 20, 1 << 10

COLUMNS = (
    Column(key="target", title="Target", kind="name"),
    Column(key="runtime", title="Runtime", kind="name"),
    Column(key="model", title="Model", kind="name"),
    Column(key="precision", title="Precision", kind="name"),
    Column(key="clip", title="Clip", kind="name"),
    Column(key="psnr_db", title="PSNR [dB]", kind="figure", digits=2, help="over R, G, B; mean over frames"),
    Column(key="psnr_y_db", title="PSNR_Y [dB]", kind="figure", digits=2, help="of luma", visible=False),
    Column(key="ssim_y", title="SSIM_Y", kind="figure", digits=4, help="of luma"),
    Column(key="loss_db", title="Loss [dB]", kind="figure", digits=3, help="PSNR below FP32 of the network"),
    Column(key="added_mse", title="Added MSE", kind="figure", digits=2, help="mean squared error beyond "
           "FP32's, over R, G, B", visible=False),
    Column(key="added_levels", title="Added error", kind="figure", digits=2, help="its root, "
           "in levels of 8 bits", visible=False),
    Column(key="fps", title="FPS", kind="figure", digits=1, help="1000 / median milliseconds, from frame "
           "in memory to frame in memory"),
    Column(key="latency_p50_ms", title="Latency [ms]", kind="figure", digits=2, help="median"),
    Column(key="latency_p90_ms", title="90% [ms]", kind="interval", digits=2),
    Column(key="latency_p99_ms", title="99% [ms]", kind="interval", digits=2),
    Column(key="speedup", title="x reference", kind="figure", digits=2, help="times as fast as the "
           "reference, which took turns with it"),
    Column(key="speedup_low", title="from", kind="interval", digits=2, help="95% interval of x reference"),
    Column(key="speedup_high", title="to", kind="interval", digits=2, help="95% interval of x reference"),
    Column(key="limit_percent", title="Limit [%]", kind="figure", help="share of the machine's limit"),
    Column(key="memory_mib", title="Memory [MiB]", kind="figure", digits=0, help="peak of the process"),
    Column(key="device_memory_mib", title="GPU [MiB]", kind="figure", digits=0, help="memory on the device"),
    Column(key="engine_kib", title="Engine [KiB]", kind="figure", digits=0, help="size of the file"),
    Column(key="energy_mj_per_frame", title="Energy [mJ]", kind="figure", digits=1, help="of a frame"),
    Column(key="marks", title="Marks", kind="text", help="reasons to distrust the figures: "
           + ", ".join([f"{NOISE_MARK} the machine was busy", *(f"{mark} {MEANINGS[kind]}" for kind, mark
           in PICTURE_MARKS.items())])),
    Column(key="status", title="Not run: why", kind="text"),
)  # fmt: skip
"""All columns; a page has those with a value."""

MOST_COLOURS = 16
"""Names that get a colour each; one more is the front's."""

_SYMBOLS = (
    *(("circle", "○"), ("square", "□"), ("diamond", "◇"), ("triangle-up", "△"), ("triangle-down", "▽")),
    *(("cross", "✚"), ("star", "☆"), ("hexagon", "⬡")),
)
_AXES = (
    Axis(key="fps", title="frames per second", better="more"),
    Axis(key="latency_p50_ms", title="latency [ms]", better="less"),
    Axis(key="limit_percent", title="share of the machine's limit [%]", better="more"),
    Axis(key="energy_mj_per_frame", title="energy per frame [mJ]", better="less"),
)
_HEIGHTS = (
    Axis(key="psnr_db", title="PSNR [dB]", better="more"),
    Axis(key="psnr_y_db", title="PSNR_Y [dB]", better="more"),
    Axis(key="loss_db", title="loss against FP32 [dB]", better="less"),
    Axis(key="ssim_y", title="SSIM_Y", better="more"),
)


def find_columns(rows: Sequence[Mapping[str, Value]]) -> list[Column]:
    """Return the columns that have a value in some row; never an empty one."""
    found = [column for column in COLUMNS if any(row[column.key] not in (None, "") for row in rows)]
    return [column.model_copy(update={"visible": _visible(column, rows)}) for column in found]


def _visible(column: Column, rows: Sequence[Mapping[str, Value]]) -> bool:
    several = column.kind != "name" or len({row[column.key] for row in rows}) > 1
    return column.visible and column.kind != "interval" and (several or len(rows) == 1)


def find_axes(rows: Sequence[Mapping[str, Value]]) -> tuple[list[Axis], list[Axis]]:
    """Return what the trade-off can be drawn over, to the right and upwards."""

    def filled(axes: Sequence[Axis]) -> list[Axis]:
        return [axis for axis in axes if any(row[axis.key] is not None for row in rows)]

    return filled(_AXES), filled(_HEIGHTS)


def table_rows(metrics: Sequence[Row], calibrated: str) -> list[dict[str, Value]]:
    """Return a row per arm and clip of `metrics.csv`, in the order of runtimes, models and precisions.

    `arm` is the arm's folder, its name in the page's script.
    """
    groups = _groups(metrics)
    symbols = {name: symbol for name, (symbol, _) in _symbols(metrics).items()}
    several = len({row["target"] for row in metrics}) > 1
    scales = len({row["scale"] for row in metrics}) > 1
    found: list[dict[str, Value]] = [
        {
            "arm": labels.arm_folder(row),
            "target": row["target"],
            "runtime": labels.runtime_label(row["runtime"]),
            "model": labels.model_label(row["model"]),
            "precision": labels.precision_label(row["precision"]),
            # Pictures of several scales aren't compared with each other.
            "clip": row["clip"] + (f" {labels.scale_label(row['scale'])}" if scales else ""),
            # What can stand on the front.
            "sound": not is_baseline(row["model"]) and not marks(row),
            "baseline": is_baseline(row["model"]),
            **{
                key: row[key]
                for key in ("psnr_db", "psnr_y_db", "ssim_y", "added_mse", "added_levels", "fps")
            },
            "loss_db": _loss(row, groups),
            **{key: row[key] for key in ("latency_p50_ms", "latency_p90_ms", "latency_p99_ms")},
            **{key: row[key] for key in ("speedup", "speedup_low", "speedup_high", "energy_mj_per_frame")},
            "limit_percent": _scaled(row["limit_fraction"], 0.01),
            "memory_mib": _scaled(row["memory_bytes"], _MIB),
            "device_memory_mib": _scaled(row["device_memory_bytes"], _MIB),
            "engine_kib": _scaled(row["engine_bytes"], _KIB),
            "marks": _marks(row),
            "status": "" if row["status"] == "ok" else row["status"].removeprefix("not run: "),
        }
        for row in sorted(metrics, key=_order(metrics, calibrated))
    ]
    for row in found:
        int8 = str(row["precision"]).startswith("INT8")
        row["symbol"] = symbols[str(row["runtime"])] + ("" if int8 else "-open")
        where = f" on {row['target']}" if several else ""
        row["label"] = f"{row['runtime']} {row['precision']} {row['model']}{where}"
        row["hover"] = _hover(row)
    return found


def find_colours(rows: Sequence[Mapping[str, Value]]) -> str:
    """Return the name that has colours in the trade-off: models, or what a legend has room for."""
    return next(
        (key for key in ("model", "precision") if len({row[key] for row in rows}) <= MOST_COLOURS), "runtime"
    )


def signs(metrics: Sequence[Row]) -> dict[str, str]:
    """Return a letter that looks like the symbol of each runtime."""
    return {name: sign for name, (_, sign) in _symbols(metrics).items()}


def _symbols(metrics: Sequence[Row]) -> dict[str, tuple[str, str]]:
    return {
        labels.runtime_label(name): _SYMBOLS[i % len(_SYMBOLS)] for i, name in enumerate(_runtimes(metrics))
    }


def _hover(row: Mapping[str, Value]) -> str:
    """Return all of an arm's facts as HTML; its text is escaped."""
    lines = [f"<b>{html.escape(str(row['label']))}</b>"]
    for column in COLUMNS:
        value = row[column.key]
        if column.kind in ("figure", "interval") and isinstance(value, (int, float)):
            lines.append(f"{column.title}: {value:.{column.digits}f}")
    lines += [f"marks: {html.escape(str(row['marks']))}"] if row["marks"] else []
    return "<br>".join(lines)


def _runtimes(metrics: Sequence[Row]) -> list[str]:
    return labels.order_runtimes(row["runtime"] for row in metrics)


def not_run(metrics: Sequence[Row]) -> list[NotRun]:
    """Return the reasons why arms didn't run, each with its arms."""
    return [NotRun(reason=reason, arms=arms) for reason, arms in not_run_reasons(metrics).items()]


def busy_words(metrics: Sequence[Row]) -> str:
    """Return a sentence if the machine was busy while arms ran; empty if it was quiet."""
    noisy = {labels.arm_folder(row) for row in metrics if NOISY in (row["cautions"] or "")}
    if not noisy:
        return ""
    timed = counted(len({labels.arm_folder(row) for row in metrics if row["fps"] is not None}), "arm")
    return f"The machine was busy while {len(noisy)} of {timed} ran: FPS is a lower bound there, ratios hold."


def advice(recommendation: Recommendation, metrics: Sequence[Row]) -> list[Advice]:
    """Return the sentences of each target of a recommendation."""
    return [_advice(target, metrics, recommendation.wish.own_psnr_db) for target in recommendation.targets]


def _advice(target: Target, metrics: Sequence[Row], own_psnr_db: float | None) -> Advice:
    ship = target.chosen
    if ship is None:
        why = none_words(list(target.faulty.values()))
        return Advice(target=target.target, arm=None, sentences=[f"{why[0].upper()}{why[1:]}."])
    name, mark = labels.arm_label(ship.arm), NOISE_MARK if ship.noisy else ""
    verb = "Ship" if target.ship else "No arm fulfils the wish; nearest is"
    clips = ship.losses_db
    worst = max(clips, key=lambda clip: clips[clip])
    where = f", on {worst} where it loses most" if len(clips) > 1 else ""
    if own_psnr_db is not None:
        where = f", on pictures where this has {own_psnr_db:g} dB" + (
            f" (added as on {worst})" if where else ""
        )
    mine = [row for row in metrics if labels.arm_folder(row) == ship.arm]
    lowest = min(mine, key=lambda row: row["psnr_db"])["clip"]
    at = f" on {lowest}, its lowest" if len(clips) > 1 else ""
    return Advice(
        target=target.target,
        arm=ship.arm,
        sentences=[
            f"{verb} {name}: {ship.fps:.1f}{mark} FPS at {ship.psnr_db:.2f} dB{at}.",
            _gain(ship.arm, target.int8, mine) + _int8_instead(ship.arm, target.int8),
            f"It {lost_words(ship.loss_db)} against the best FP32{where}.",
        ],
    )


def _gain(arm: str, guards: Sequence[Int8], rows: Sequence[Row]) -> str:
    """Return what an arm gains: INT8 over its network's fastest float arm, else over the reference."""
    for guard in guards:
        if guard.arm == arm:
            interval = f"{guard.gain_low:.2f} to {guard.gain_high:.2f}"
            return f"It is {guard.gain:.2f} times ({interval}) as fast as {labels.arm_label(guard.over)}."
    for row in rows:
        if row["speedup"] is not None and row["reference"] != arm:
            interval = f"{row['speedup_low']:.2f} to {row['speedup_high']:.2f}"
            name = labels.arm_label(row["reference"])
            return f"It is {row['speedup']:.2f} times ({interval}) as fast as {name}, the reference."
    return "It is the reference that the others are timed against."


def _int8_instead(arm: str, guards: Sequence[Int8]) -> str:
    """Return what INT8 of the same network would bring if a float arm is to be shipped; else nothing."""
    model = arm.split("/")[2]
    if any(guard.arm == arm for guard in guards):
        return ""
    for guard in guards:
        if guard.model == model:
            return (
                f" {labels.arm_label(guard.arm)} is {guard.gain:.2f} times ({guard.gain_low:.2f} to "
                f"{guard.gain_high:.2f}) as fast as {labels.arm_label(guard.over)} and "
                f"{lost_words(guard.loss_db)}: {guard.verdict}."
            )
    return ""


def _groups(metrics: Sequence[Row]) -> dict[tuple[str, str, str], list[Row]]:
    """Return the rows that one row's FP32 can be among: few, for studies of thousands of arms."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in metrics:
        groups.setdefault((row["target"], row["model"], row["clip"]), []).append(row)
    return groups


def _loss(row: Row, groups: Mapping[tuple[str, str, str], Sequence[Row]]) -> float | None:
    return loss_of(row, groups[row["target"], row["model"], row["clip"]], "psnr_db")


def _order(metrics: Sequence[Row], calibrated: str) -> Callable[[Row], tuple]:
    models = labels.order_models(row["model"] for row in metrics)
    runtimes = _runtimes(metrics)
    precisions = labels.order_precisions((row["precision"] for row in metrics), calibrated)
    places = [{name: i for i, name in enumerate(names)} for names in (models, runtimes, precisions)]

    def key(row: Row) -> tuple:
        own = (places[0][row["model"]], places[1][row["runtime"]], places[2][row["precision"]])
        return row["target"], row["clip"], *own

    return key


def _marks(row: Row) -> str:
    return (NOISE_MARK if NOISY in (row["cautions"] or "") else "") + marks(row)


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value / unit
