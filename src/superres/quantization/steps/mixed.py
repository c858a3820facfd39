"""Mixed precision: the cheapest layers stay in float that keep the loss within a budget."""

from dataclasses import replace

from superres.quantization.layers.frontier import choose_subset
from superres.quantization.layers.schema import parse_subset, read_frontier
from superres.quantization.qdq import quantized_layers
from superres.quantization.state import State, StepJob


def apply(state: State, job: StepJob) -> State:
    """Keep the layers in float that the measured frontier of this state gives for the budget.

    Loss and time were measured by the runtime in the settings, on calibration images, never on a clip.
    Raises UserError if no subset of the layers is within the budget.
    """
    path = job.measurement("mixed")
    row = choose_subset(read_frontier(path).to_dicts(), job.settings, path)
    layers = quantized_layers(state.graph, state.ranges, path)
    chosen = parse_subset(row["float_layers"])
    kept = (*state.ranges.float_convolutions, *(layers[layer] for layer in chosen))
    facts = {key: row[key] for key in ("loss_db", "added_mse", "time_ratio", "images", "runtime_version")}
    return State(
        state.graph, replace(state.ranges, float_convolutions=kept), {"float_layers": list(chosen), **facts}
    )
