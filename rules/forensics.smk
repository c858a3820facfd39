rule search_protocol:
    input:
        files=files_of([forensics_source()]),
        code=code("forensics/search.py"),
    output:
        csv=report(
            f"{RESULTS}/forensics.csv",
            caption="../workflow/report/forensics.rst",
            category="Figures",
        ),
        md=report(
            f"{RESULTS}/forensics.md",
            caption="../workflow/report/forensics.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/search_protocol.log",
    benchmark:
        f"{BENCHMARKS}/search_protocol.tsv"
    conda:
        "../envs/data.yaml"
    threads: 4
    params:
        # Behind a tuple, for Snakemake compares parameters by their repr only inside a builtin container.
        search=(STUDY.forensics, forensics_source()),
        quality=dict(STUDY.quality),
    script:
        "../workflow/scripts/search_protocol.py"
