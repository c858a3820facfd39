"""A recommendation as at most 12 lines, as Markdown and as JSON."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from superres.device.base.outputs import Outputs, write_json
from superres.device.base.words import counted
from superres.device.timing.ratios import Ratio
from superres.report import labels
from superres.report.metrics.cautions import NOISE_MARK
from superres.report.metrics.schema import read_metrics
from superres.report.recommendation.candidates import WITHOUT_FP32, Candidate
from superres.report.recommendation.decide import SAME_DB, Decision, Guard, Wish, decide
from superres.report.tables.cells import align

MOST_LINES = 12
_FRONT = 3
_MISSES = ", but it misses the wish"


def write_recommendation(study: str, metrics: Path, wish: Wish, *, md: Path, json: Path) -> None:
    """Write the recommendation of a study, from its `metrics.csv`, as Markdown and as JSON.

    `summary` in the JSON has the lines to print.
    """
    wish = wish.or_default()
    decisions = decide(read_metrics(metrics).to_dicts(), wish)
    lines = summary(study, decisions, wish, md)
    with Outputs({"md": str(md), "json": str(json)}) as outputs:
        outputs["md"].write_text(_markdown(lines, decisions, wish), encoding="utf-8")
        write_json(outputs["json"], _record(study, lines, decisions, wish))


def summary(study: str, decisions: Sequence[Decision], wish: Wish, more: Path) -> list[str]:
    """Return at most 12 lines: the wish, the arm to ship on each target, what speaks for it, and `more`."""
    own = [] if wish.own_psnr_db is None else [_own_pictures(wish.own_psnr_db)]
    room = MOST_LINES - 2 - len(own)
    shown = decisions[:room]
    # The first lines of a target matter most.
    each = room // len(shown) if shown else room
    lines = [f"Recommendation for study {study}: {_wished(wish)}"]
    for decision in shown:
        first, *others = _target_lines(decision, wish)
        lines += [first, *(f"  {line}" for line in others[: each - 1])]
    left = f"{len(decisions) - len(shown)} more targets and all" if len(decisions) > room else "All"
    return [*lines, *own, f"{left} figures: {more}"]


def _own_pictures(psnr_db: float) -> str:
    """Return what losses mean on pictures where FP32 has another PSNR."""
    return (
        f"Losses are for pictures where the best FP32 has {psnr_db:g} dB, by the squared error that each arm "
        "adds to FP32's on the clip where it costs most"
    )


def _wished(wish: Wish) -> str:
    own = "" if wish.own_psnr_db is None else f" on pictures with {wish.own_psnr_db:g} dB in FP32"
    terms = [
        f"reaches {wish.fps:g} FPS" if wish.fps is not None else "",
        f"loses at most {wish.loss_db:g} dB{own}" if wish.loss_db is not None else "",
        f"has {wish.psnr_db:g} dB" if wish.psnr_db is not None else "",
    ]
    kind = "fastest arm" if wish.fps is None else "arm with the best picture"
    return f"the {kind} that {' and '.join(filter(None, terms))}"


def _target_lines(decision: Decision, wish: Wish) -> list[str]:
    """Return what is said of a target, the most important first."""
    lines = [_ship(decision)]
    if decision.doubtful:
        lines.append(
            "Every network is below bicubic or far below FP32: right for one that is trained for looks, or a "
            "reading is wrong (colour, range); look at the samples first"
        )
    guards = _ordered(decision)
    lines += [_guard(guard, decision, wish) for guard in guards[:1]]
    if decision.noisy:
        arms = counted(len(decision.noisy), "arm")
        lines.append(
            f"{NOISE_MARK} the machine was busy while {arms} ran: FPS is a lower bound there, ratios hold"
        )
    if decision.faulty:
        names = ", ".join(arm.label for arm in decision.faulty[:3])
        rest = " and others" if len(decision.faulty) > 3 else ""
        missing = [WITHOUT_FP32 in arm.faults for arm in decision.faulty]
        why = "want of their network's FP32" if all(missing) else "faults in the picture"
        why += " or want of FP32" if any(missing) and not all(missing) else ""
        lines.append(f"Not considered, for {why}: {names}{rest}")
    if len(decision.front) > 1:
        lines.append(_front(decision.front))
    return [*lines, *_others(guards[1:], wish)]


def _others(guards: Sequence[Guard], wish: Wish) -> list[str]:
    """Return what INT8 is to further networks, a line for each answer."""
    found: dict[str, list[str]] = {}
    for guard in guards:
        misses = "" if wish.fulfilled(guard.int8) else _MISSES
        words = (
            f"INT8 is {'faster' if misses else 'worth it'}{misses}"
            if guard.worth_it
            else "INT8 isn't worth it"
        )
        found.setdefault(words, []).append(labels.model_label(guard.model))
    return [f"{words}: {', '.join(names)}" for words, names in sorted(found.items())]


def _ship(decision: Decision) -> str:
    if decision.ship is not None:
        return f"{decision.place}: ship {_figures(decision.ship)}"
    if decision.nearest is not None:
        return f"{decision.place}: no arm fulfils this; nearest is {_figures(decision.nearest)}"
    return f"{decision.place}: {none_words([arm.faults for arm in decision.faulty])}"


def none_words(faults: Collection[Sequence[str]]) -> str:
    """Return why no arm is named, from the faults of each that ran on all clips."""
    if not faults:
        return "no network has run on all clips"
    if any(WITHOUT_FP32 in each for each in faults):
        return "no network without a fault in its picture has FP32 to compare with"
    return "no network's picture is without a fault"


def _figures(arm: Candidate) -> str:
    return (
        f"{arm.label}: {arm.fps:.1f}{_mark(arm)} FPS, {arm.psnr_db:.2f} dB, {lost_words(arm.loss_db)} "
        f"against the best FP32 ({arm.worst_clip})"
    )


def _mark(arm: Candidate) -> str:
    return NOISE_MARK if arm.noisy else ""


def lost_words(loss_db: float) -> str:
    """Return a loss in words, such as `loses 0.12 dB`."""
    if abs(loss_db) < SAME_DB / 2:
        return "loses nothing"
    return f"loses {loss_db:.2f} dB" if loss_db > 0 else f"gains {-loss_db:.2f} dB"


def _ordered(decision: Decision) -> list[Guard]:
    """Return the guards, that of the network to ship first."""
    chosen = decision.ship or decision.nearest
    return sorted(decision.guards, key=lambda guard: chosen is None or guard.model != chosen.model)


def _guard(guard: Guard, decision: Decision, wish: Wish) -> str:
    chosen = decision.ship or decision.nearest
    alone = len(decision.guards) == 1 and (chosen is None or chosen.model == guard.model)
    name = "" if alone else f"{labels.model_label(guard.model)}: "
    gains = (
        f"{_short(guard.int8)} gains {_ratio(guard.gain)} over {_short(guard.other)} and "
        f"{lost_words(guard.loss_db)}"
    )
    if abs(guard.int8.loss_db - guard.loss_db) >= SAME_DB:
        gains += f" ({lost_words(guard.int8.loss_db)} against the best FP32)"
    why = "" if guard.worth_it or not guard.reasons else f" ({'; '.join(guard.reasons)})"
    return f"{name}{gains}: {_verdict(guard, decision.ship, wish)}{why}"


def _verdict(guard: Guard, ship: Candidate | None, wish: Wish) -> str:
    own = ship if ship is not None and ship.model == guard.model else None
    if own is not None and own.int8 and not guard.worth_it:
        return "it loses no more" if wish.fulfilled(guard.other) else "only INT8 fulfils the wish"
    if not guard.worth_it:
        return f"keep {labels.precision_label((own or guard.other).precision)}"
    if not wish.fulfilled(guard.int8):
        return f"INT8 is faster{_MISSES}"
    return "more speed than the wish needs" if own is not None and not own.int8 else "INT8 is worth it"


def _ratio(gain: Ratio) -> str:
    return f"{gain.value:.2f}x ({gain.low:.2f} to {gain.high:.2f})"


def _short(arm: Candidate) -> str:
    runtime = arm.folder.split("/")[1]
    return f"{labels.runtime_label(runtime)} {labels.precision_label(arm.precision)}"


def _front(front: Sequence[Candidate]) -> str:
    arms = [f"{arm.label} {arm.fps:.1f}{_mark(arm)} FPS {-arm.loss_db:+.2f} dB" for arm in front[:_FRONT]]
    rest = f"; {len(front) - _FRONT} more" if len(front) > _FRONT else ""
    return f"Front: {'; '.join(arms)}{rest}"


def _markdown(lines: Sequence[str], decisions: Sequence[Decision], wish: Wish) -> str:
    title, *said = lines
    parts = [f"# {title}", "\n".join(f"- {line.strip()}" for line in said[:-1])]
    for decision in decisions:
        parts += [f"## {decision.place}", _table(decision)] if decision.front else [f"## {decision.place}"]
        found = [_guard(guard, decision, wish) for guard in _ordered(decision)]
        faulty = (*decision.doubtful, *decision.faulty)
        found += [f"{arm.label}: {fault}" for arm in faulty for fault in arm.faults]
        if decision.not_run:
            found.append(f"{counted(decision.not_run, 'arm')} did not run: `metrics.csv` says why")
        parts += ["\n".join(f"- {line}" for line in found)] if found else []
    parts.append(
        "Loss is PSNR below the best FP32 of the target and scale, on the clip where it is most. The table "
        "has the recommended arm and those that no other beats in both speed and loss; less than "
        f"{SAME_DB:g} dB is no difference."
    )
    return "\n\n".join(parts) + "\n"


def _table(decision: Decision) -> str:
    chosen = decision.ship or decision.nearest
    also = [chosen] if chosen is not None and chosen not in decision.front else []
    rows = [
        [arm.label, arm.worst_clip, f"{arm.fps:.1f}{_mark(arm)}", f"{arm.psnr_db:.2f}", f"{arm.loss_db:.3f}"]
        for arm in sorted([*decision.front, *also], key=lambda arm: -arm.speed)
    ]
    return align([["Arm", "Worst clip", "FPS", "PSNR [dB]", "Loss [dB]"], *rows], left=2)


def _record(study: str, lines: Sequence[str], decisions: Sequence[Decision], wish: Wish) -> dict[str, Any]:
    return {
        "study": study,
        "wish": asdict(wish),
        "targets": [_target_record(decision, wish) for decision in decisions],
        "summary": list(lines),
    }


def _target_record(decision: Decision, wish: Wish) -> dict[str, Any]:
    return {
        "target": decision.target,
        "scale": decision.scale,
        "ship": _arm_record(decision.ship),
        "nearest": _arm_record(decision.nearest),
        "front": [_arm_record(arm) for arm in decision.front],
        "int8": [
            {
                "model": guard.model,
                "arm": guard.int8.folder,
                "over": guard.other.folder,
                "gain": guard.gain.value,
                "gain_low": guard.gain.low,
                "gain_high": guard.gain.high,
                "loss_db": guard.loss_db,
                "worth_it": guard.worth_it,
                "reasons": list(guard.reasons),
                "verdict": _verdict(guard, decision.ship, wish),
            }
            for guard in decision.guards
        ],
        "faulty": {arm.folder: list(arm.faults) for arm in (*decision.doubtful, *decision.faulty)},
        "noisy": [arm.folder for arm in decision.noisy],
        "not_run": decision.not_run,
    }


def _arm_record(arm: Candidate | None) -> dict[str, Any] | None:
    if arm is None:
        return None
    return {
        "arm": arm.folder,
        "fps": arm.fps,
        "psnr_db": arm.psnr_db,
        "loss_db": arm.loss_db,
        "losses_db": dict(arm.losses),
        "noisy": arm.noisy,
    }
