"""What Snakemake itself does beside the jobs."""

from project_copy import Project


def test_ready_jobs_are_looked_at_when_a_job_ends_and_not_otherwise(project: Project):
    models = ("espcn_rgb", "espcn_ycbcr", "espcn_ycbcr_folded", "espcn_anchor")
    targets = [f"results/int8/onnx/{model}/fp32.onnx" for model in models]
    done = project.snakemake("--verbose", "--cores", "1", *targets, "--configfile", "studies/int8.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    # Once at the beginning, and once more for each of the four.
    assert 4 <= done.stdout.count("Ready jobs: ") <= 5
