"""Tables of a processor without VNNI beside one with it; as a program, copy its default study into docs/.

`python docs/make/without_vnni.py results/default --commit ...` writes metrics.csv and run.yaml in
docs/figures/without_vnni/. Run `make docs` afterwards.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from formatting import markdown, read_rows, write_rows

from superres.report import labels

ALL = Path(__file__).parents[1] / "figures"
FIGURES = ALL / "without_vnni"
RUNTIME, TUNED = "openvino", "int8-tuned"
CLIPS = ("park", "rooms")
PRECISIONS = {"int8-dummy": "dummy", "int8-entropy": "entropy", TUNED: "tuned"}
COLUMNS = ("runtime", "model", "precision", "clip", "psnr_db", "fps", "speedup", "cautions", "status")
Row = Mapping[str, str]


def losses() -> str:
    """Return what INT8 loses in OpenVINO [dB], with VNNI and without, a row per network and clip."""
    with_it, without = (_arms(folder) for folder in (ALL / "default", FIGURES))
    lines = []
    for model in _models(without):
        for clip in CLIPS:
            cells = []
            for precision in PRECISIONS:
                lost = [
                    _psnr(arms, model, "fp32", clip) - _psnr(arms, model, precision, clip)
                    for arms in (with_it, without)
                ]
                cells.append(" / ".join(f"{value:.3f}" for value in lost))
            lines.append([labels.model_label(model) if clip == CLIPS[0] else "", f"`{clip}`", *cells])
    return markdown(["Network", "Clip", *PRECISIONS.values()], lines)


def speeds() -> str:
    """Return the frames per second without VNNI, a row a network."""
    rows = [row for row in read_rows(FIGURES / "metrics.csv") if row["clip"] == CLIPS[0]]
    fps = {
        (row["model"], row["runtime"], row["precision"]): float(row["fps"])
        for row in rows
        if row["status"] == "ok"
    }
    columns = {
        ("onnxruntime", "fp32"): "ONNX Runtime FP32",
        ("onnxruntime", TUNED): "ONNX Runtime INT8",
        (RUNTIME, "fp32"): "OpenVINO FP32",
        (RUNTIME, TUNED): "OpenVINO INT8",
    }
    lines = []
    for model in labels.order_models({model for model, *_ in fps} - {"bicubic"}):
        found = [fps.get((model, *arm)) for arm in columns]
        lines.append([labels.model_label(model), *("" if each is None else f"{each:.1f}" for each in found)])
    return markdown(["Network", *columns.values()], lines)


def _arms(folder: Path) -> dict[tuple[str, str, str], Row]:
    """Return OpenVINO's arms that ran, by model, precision and clip."""
    return {
        (row["model"], row["precision"], row["clip"]): row
        for row in read_rows(folder / "metrics.csv")
        if row["runtime"] == RUNTIME and row["status"] == "ok"
    }


def _models(arms: Mapping[tuple[str, str, str], Row]) -> list[str]:
    return labels.order_models({model for model, *_ in arms})


def _psnr(arms: Mapping[tuple[str, str, str], Row], model: str, precision: str, clip: str) -> float:
    return float(arms[model, precision, clip]["psnr_db"])


TABLES: dict[str, Callable[[], str]] = {
    "without_vnni/metrics": losses,
    "without_vnni/speeds": speeds,
}


def main() -> None:
    """Copy the figures of a study."""
    # The tables don't need what it imports.
    import origin

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="folder of a default study on a processor without VNNI")
    parser.add_argument("--commit", required=True, help="the code that the study ran with")
    parser.add_argument("--machine", help="the processor in words (default: from a record)")
    options = parser.parse_args()
    FIGURES.mkdir(parents=True, exist_ok=True)
    write_rows(FIGURES / "metrics.csv", COLUMNS, read_rows(options.study / "metrics.csv"))
    run = {"command": "make all", "commit": options.commit[:7], "machine": options.machine or ""}
    record = options.study / f"arms/local/{RUNTIME}/espcn_rgb/fp32/latency.{CLIPS[0]}.json"
    origin.write_run(FIGURES / "run.yaml", options.study, record, run)


if __name__ == "__main__":
    main()
