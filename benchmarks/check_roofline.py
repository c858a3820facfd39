"""Check a machine's limit against products of other sizes than those that it was found with.

    .venv/bin/python benchmarks/check_roofline.py results/default/roofline/local.json

Run it while nothing else runs: a busy machine makes the limit too low, and its products prove nothing. Prints
the fastest product of each library and precision as a share of the limit, and the ratio of the limits of INT8
and FP32 (with AVX-512 VNNI: more than 1.5, in theory 4). Ends with 1 if a product is more than 2% above the
limit, or the limit of INT8 is too low.
"""

import argparse
import json
import sys
from pathlib import Path

from superres.device.machine.disturbance import OthersMeter
from superres.device.machine.facts import describe_machine, usable_cpus
from superres.device.tasks import roofline

SIZES = (*((size, size, size) for size in (192, 384, 640, 896, 1536, 3072)), (2048, 768, 768))
TOLERANCE = 0.02
INT8_LEAST = 1.5


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare products of matrices with a machine's limit.")
    parser.add_argument("record", type=Path, help="results/STUDY/roofline/local.json")
    parser.add_argument("--seconds", type=float, default=0.4, help="how long each product is repeated")
    chosen = parser.parse_args()
    peaks = json.loads(chosen.record.read_text(encoding="utf-8"))["peaks"]
    roofline._SIZES = SIZES
    meter = OthersMeter()
    products = [
        product
        for measure in roofline._LIBRARIES.values()
        for product in measure(usable_cpus(), chosen.seconds)
        if isinstance(product, roofline.Product)
    ]
    disturbance = meter.read()
    best: dict[tuple[str, str, str], roofline.Product] = {}
    # In order of their rates: the fastest of each kind stays.
    for product in sorted(products, key=lambda each: each.gmac_s):
        best[product.processor, product.precision, product.library] = product
    beyond = False
    print(f"{'processor':10}{'precision':10}{'library':12}{'size':>18}{'GMAC/s':>10}{'of the limit':>14}")
    for (processor, precision, library), product in sorted(best.items()):
        share = product.gmac_s / peaks[processor][precision]
        beyond |= share > 1 + TOLERANCE
        size = f"{product.rows} x {product.size} x {product.columns}"
        print(f"{processor:10}{precision:10}{library:12}{size:>18}{product.gmac_s:10.1f}{share:14.1%}")
    cpu = peaks["cpu"]
    low = False
    if "int8" in cpu:
        times = cpu["int8"] / cpu["fp32"]
        low = "avx512_vnni" in describe_machine()["flags"] and times <= INT8_LEAST
        print(f"limit of INT8: {times:.2f} times that of FP32")
    if disturbance:
        print(f"meanwhile {disturbance.others:.2f} of the processors' time went to others")
    sys.exit(1 if beyond or low else 0)


if __name__ == "__main__":
    main()
