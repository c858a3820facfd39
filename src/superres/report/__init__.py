"""From raw figures to metrics, tables, plots and manifests.

metrics/     `collect_metrics`, `collect_evaluation`, `collect_profiles`: the figures of all arms
tables/      `write_table`, `write_evaluation`, `write_operations`, `compare_tools`: tables for readers
plots/       `registry.draw`: every plot by its name
page/        `build_page`: all results on one page
recommendation/  `write_recommendation`: the arm to ship
manifest.py  `write_manifest`: an arm's records, files, study, code and libraries in one file
receipts.py  `Receipts`: the hash of every file, written by the job that made it
verify.py    `verify_study`: check that every file is as its job left it
repair.py    `remove_damage`: remove what is not, so that it is made again
labels.py    words and order of models, runtimes and precisions
"""
