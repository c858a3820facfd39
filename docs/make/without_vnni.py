"""A table of a processor without VNNI beside one with it; as a program, copy its default study into docs/.

`python docs/make/without_vnni.py results/default --commit ...` writes evaluation.csv and run.yaml in
docs/figures/without_vnni/. Run `make docs` afterwards.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from formatting import markdown, read_rows, write_rows
from zoo import ALL, CLIPS, RUNTIME, TUNED, Row, ran

from superres.report import labels

FIGURES = ALL / "without_vnni"
PRECISIONS = {"int8-dummy": "dummy", "int8-entropy": "entropy", TUNED: "tuned"}
COLUMNS = ("runtime", "model", "precision", "clip", "psnr_db", "status")


def losses() -> str:
    """Return what INT8 loses in OpenVINO [dB], with VNNI and without, a row per network and clip."""
    with_it = ran(ALL / "default/metrics.csv")
    without = ran(FIGURES / "evaluation.csv")
    lines = []
    for model in labels.order_models({model for model, *_ in without}):
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


def _psnr(arms: Mapping[tuple[str, str, str], Row], model: str, precision: str, clip: str) -> float:
    return float(arms[model, precision, clip]["psnr_db"])


TABLES: dict[str, Callable[[], str]] = {
    "without_vnni/evaluation": losses,
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
    write_rows(FIGURES / "evaluation.csv", COLUMNS, read_rows(options.study / "evaluation.csv"))
    run = {
        "command": "snakemake --cores 4 evaluate",
        "commit": options.commit[:7],
        "machine": options.machine or "",
    }
    record = options.study / f"arms/local/{RUNTIME}/espcn_rgb/fp32/quality.{CLIPS[0]}.json"
    origin.write_run(FIGURES / "run.yaml", options.study, record, run)


if __name__ == "__main__":
    main()
