"""The figures of all arms in one file each; call the functions `collect_*`.

collect.py     `collect_metrics`: metrics.csv; `collect_evaluation`: evaluation.csv, quality alone
profiles.py    `collect_profiles`: profile.csv, a row per operation; `read_networks`: sums per network
schema.py      columns of metrics.csv and evaluation.csv, and the readers that check them
speed.py       FPS, latency, the ratio to the reference, and the share of the machine's limit
relative.py    PSNR lost and squared error added against FP32, and speedups over other arms
operations.py  multiply-adds and convolutions of an ONNX file
cautions.py    reasons to distrust an arm's figures
"""
