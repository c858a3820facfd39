def plot_names():
    """Every plot of the study, without its ending."""
    training = [f"training.{model}" for model in TRAINED]
    return [
        "psnr_fps",
        *(["int8_loss"] if any(arm.int8 for arm in STUDY.arms) else []),
        "fps",
        *layer_plots(),
        *training,
    ]


def series_of(setting, with_values=False):
    """INT8 precisions that differ in one setting alone, by the label of what they share; with its values if asked."""
    return [
        (
            series.label,
            [*(series.precisions if with_values else dict(series.precisions).values())],
        )
        for series in differing_in(STUDY, setting)
    ]


def evaluation_comparisons():
    """What else the target evaluate makes of its figures: a plot over numbers of images, a table of others' tools."""
    images = [
        f"{RESULTS}/plots/images.{kind}"
        for kind in ("svg", "png")
        if differing_in(STUDY, "images")
    ]
    return images + [f"{RESULTS}/tools.{kind}" for kind in ("csv", "md") if OF_TOOLS]


def sample_arms():
    """Arms whose upscaled frame is shown: bicubic, and those of one runtime."""
    return [
        arm
        for arm in STUDY.arms
        if arm.runtime == STUDY.samples["runtime"] or arm.model == BASELINE
    ]


def sample_pictures():
    """The pictures of samples, one a clip; none without the runtime that they are of."""
    if all(arm.model == BASELINE for arm in sample_arms()):
        return []
    return [f"{RESULTS}/plots/samples{of_clip}.png" for of_clip in OF_CLIP]


def operations_graph(arm):
    """The ONNX file that says what an arm's network computes; None for bicubic."""
    if arm.model == BASELINE:
        return None
    graph = "fp32" if arm.int8 is None or arm.implicit else arm.precision
    return f"{RESULTS}/onnx/{arm.model}/{graph}.onnx"


def arm_graphs():
    """The same of every arm and clip, in the order of `arm_files`."""
    return [operations_graph(arm) for arm in STUDY.arms for _ in OF_CLIP]


def operations_graphs():
    """All of them, each once."""
    return sorted({graph for arm in STUDY.arms if (graph := operations_graph(arm))})


def reference_labels():
    """The arm of each target that the others are timed in turn with; targets without one are left out."""
    references = [STUDY.reference.on(target) for target in targets_of_study()]
    return {arm.target: arm.folder for arm in references if arm in STUDY.arms}


def table_notes():
    """A line where the table's column of calibrated INT8 stays empty because no arm has that calibration."""
    named = f"int8-{STUDY.table['calibrated']}"
    others = {arm.precision for arm in STUDY.arms if arm.int8 is not None}
    others -= {"int8-dummy"}
    if named in others or not others:
        return []
    known = ", ".join(sorted(name.removeprefix("int8-") for name in others))
    return [
        f'The column "INT8 w/ calibration" is empty: table.calibrated is {STUDY.table["calibrated"]}, which no arm has; it may be {known}.'
    ]


def study_notes():
    """What a study goes on without, a line each."""
    return left_out_notes(STUDY) + reference_notes() + table_notes()


def table_text():
    """What a table says besides figures."""
    notes = [
        f"Clip `{clip.name}`: {clip.description or 'not described'}; LR by {clip.downsampling} downsampling."
        for clip in STUDY.clips.values()
    ]
    return {
        "notes": notes + study_notes(),
        "calibrated": f"int8-{STUDY.table['calibrated']}",
        "kernel": STUDY.models[BASELINE].kernel if BASELINE in STUDY.models else None,
    }
