"""Tables for readers, as Markdown and CSV; call the functions named below.

table.py             `write_table`: the paper's Table 1, from metrics.csv
evaluation_table.py  `write_evaluation`: PSNR_Y next to published figures, from evaluation.csv
operations_table.py  `write_operations`: number and time of operations, from profile.csv
tools_table.py       `compare_tools`: INT8 graphs of other tools and of this pipeline
caution_notes.py     notes on marks, busy machines and exact frames
cells.py             cells of Table 1, and how all tables become Markdown
paper_table1.csv     the paper's figures
published.csv        figures of other papers on benchmark sets
"""
