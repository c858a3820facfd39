"""What surrounds a run of Snakemake: the user's environment, studies as text, the lock, failed jobs, Slurm.

Nothing here decides what is computed; `before.prepare_run` is the first thing that runs.
"""
