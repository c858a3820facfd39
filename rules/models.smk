rule train_model:
    input:
        training=training_set("training_set", "json"),
        training_hr=training_set("training_set", "hr.npy"),
        training_lr=training_set("training_set", "lr.npy"),
        validation=training_set("validation_set", "json"),
        validation_hr=training_set("validation_set", "hr.npy"),
        validation_lr=training_set("validation_set", "lr.npy"),
        code=code("models/training/train.py"),
    output:
        weights=f"{RESULTS}/weights/{{model}}.safetensors",
        record=f"{RESULTS}/weights/{{model}}.json",
        curve=f"{RESULTS}/weights/{{model}}.csv",
    log:
        f"{LOGS}/train_model/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/train_model/{{model}}.tsv"
    conda:
        "../envs/models.yaml"
    threads: lambda wildcards: training_settings(wildcards)["threads"]
    params:
        settings=training_settings,
        # No output: Snakemake deletes outputs before a job starts, and a checkpoint is there to go on from.
        checkpoint=f"{RESULTS}/weights/checkpoints/{{model}}.pt",
    script:
        "../workflow/scripts/train_model.py"


rule plot_training:
    input:
        curve=f"{RESULTS}/weights/{{model}}.csv",
        code=code("models/training/plots.py"),
    output:
        svg=report(
            f"{RESULTS}/plots/training.{{model}}.svg",
            caption="../workflow/report/plot_training.rst",
            category="Training",
            labels={"model": "{model}"},
        ),
        png=f"{RESULTS}/plots/training.{{model}}.png",
    log:
        f"{LOGS}/plot_training/{{model}}.log",
    conda:
        "../envs/models.yaml"
    threads: 1
    script:
        "../workflow/scripts/plot_training.py"


rule export_onnx:
    input:
        weights=weights_of,
        code=code("models/export.py"),
    output:
        onnx=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
    log:
        f"{LOGS}/export_onnx/{{model}}.log",
    conda:
        "../envs/models.yaml"
    threads: 1
    params:
        network=network_settings,
    script:
        "../workflow/scripts/export_onnx.py"


rule convert_fp16:
    input:
        onnx=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
        code=code("models/graphs/fp16.py"),
    output:
        onnx=f"{RESULTS}/onnx/{{model}}/fp16.onnx",
    log:
        f"{LOGS}/convert_fp16/{{model}}.log",
    conda:
        "../envs/quantization.yaml"
    threads: 1
    script:
        "../workflow/scripts/convert_fp16.py"


rule export_program:
    input:
        weights=weights_of,
        code=code("models/export.py"),
    output:
        program=f"{RESULTS}/programs/{{model}}.pt",
    log:
        f"{LOGS}/export_program/{{model}}.log",
    conda:
        "../envs/models.yaml"
    threads: 1
    params:
        network=network_settings,
    script:
        "../workflow/scripts/export_program.py"
