"""From raw figures to metrics, tables, plots, and what stands behind them.

metrics/     `collect_metrics`, `collect_evaluation` and `collect_profiles`: the figures of all arms
tables/      `write_table`, `write_evaluation`, `write_operations` and `compare_tools`: the same for readers
plots/       `registry.draw`: every plot by its name
provenance/  `write_manifest` and `verify_study`: what an arm was made from, and whether it still is so
labels.py    words and order of models, runtimes and precisions
"""
