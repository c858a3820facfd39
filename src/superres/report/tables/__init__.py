"""Figures for readers, as Markdown and CSV; the doors are the functions named below.

table.py             `write_table`: the paper's Table 1, from metrics.csv
cells.py             its cells: ours, the paper's, and why one has none
markdown.py          its Markdown, and what all tables' Markdown shares
evaluation_table.py  `write_evaluation`: PSNR_Y with published figures, from evaluation.csv
operations_table.py  `write_operations`: number and time of operations, from profile.csv
tools_table.py       `compare_tools`: graphs of others' tools beside ours
paper_table1.csv     the paper's figures
published.csv        figures of other papers on benchmark sets
"""
