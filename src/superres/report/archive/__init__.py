"""A study's results in one file, for others to check and to compare with their own.

pack.py      `export_results`: figures, records, plots, the page and the study in a zip archive
reading.py   opening an archive of somebody else's, whose content can't be trusted
inspect.py   `verify_archive`: every file against its hash, every figure against its records
figures.py   figures of tables, computed again from records
compare.py   `compare_results`: differences in PSNR and ratios of speed between two results
"""
