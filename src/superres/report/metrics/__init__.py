"""The figures of all arms, in one file each; the doors are the functions `collect_*`.

collect.py     `collect_metrics`: metrics.csv, a row an arm and clip, with all that is known of it
evaluation.py  `collect_evaluation`: evaluation.csv, quality alone
profiles.py    `collect_profiles`: profile.csv, a row an operation; `read_networks`: the sums of each network
schema.py      columns of metrics.csv and evaluation.csv, and the readers that check them
speed.py       FPS, latency and the ratio to the reference, from latency.csv
speedups.py    ratios of arms to other arms
psnr_loss.py   what a precision loses against FP32
operations.py  multiply-adds and convolutions of an ONNX file
limits.py      the least time of a frame by a machine's roofline
cautions.py    why figures are to be read with care
"""
