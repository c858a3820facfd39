rule train_model:
    input:
        unpack(of(PATHS.training_inputs, "model")),
    output:
        weights=f"{RESULTS}/weights/{{model}}.safetensors",
        record=f"{RESULTS}/weights/{{model}}.json",
        curve=f"{RESULTS}/weights/{{model}}.csv",
    log:
        f"{LOGS}/train_model/{{model}}.log",
    benchmark:
        f"{BENCHMARKS}/train_model/{{model}}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: lambda wildcards: SETTINGS.training(wildcards.model)["threads"]
    resources:
        **needs("train_model"),
    params:
        settings=of(SETTINGS.training, "model"),
        network=of(SETTINGS.network, "model"),
        teacher_network=of(SETTINGS.teacher_network, "model"),
        # No output: Snakemake deletes outputs before a job starts, and a checkpoint is there to go on from.
        checkpoint=f"{RESULTS}/weights/checkpoints/{{model}}.pt",
        code=code("train_model"),
    script:
        "../workflow/scripts/train_model.py"


rule export_onnx:
    input:
        weights=of(PATHS.weights, "model"),
    output:
        onnx=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
    log:
        f"{LOGS}/export_onnx/{{model}}.log",
    wildcard_constraints:
        model=any_of(name for name in STUDY.models if name not in PATHS.adopted),
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("export_onnx"),
    params:
        network=of(SETTINGS.network, "model"),
        code=code("export_onnx"),
    script:
        "../workflow/scripts/export_onnx.py"


# Spandrel knows the network by its tensors.
rule export_checkpoint:
    input:
        checkpoint=of(PATHS.foreign_file, "model"),
    output:
        onnx=f"{RESULTS}/onnx/{{model}}/checkpoint.onnx",
        record=f"{RESULTS}/onnx/{{model}}/checkpoint.json",
    log:
        f"{LOGS}/export_checkpoint/{{model}}.log",
    wildcard_constraints:
        model=any_of(PATHS.checkpoints),
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("export_checkpoint"),
    params:
        code=code("export_checkpoint"),
    script:
        "../workflow/scripts/export_checkpoint.py"


# A network of others: what it takes and gives is found, and written into the graph.
rule adopt_onnx:
    input:
        onnx=of(PATHS.foreign, "model"),
        data=of(PATHS.foreign_data, "model"),
    output:
        onnx=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
        record=f"{RESULTS}/onnx/{{model}}/adopted.json",
    log:
        f"{LOGS}/adopt_onnx/{{model}}.log",
    wildcard_constraints:
        model=any_of(PATHS.adopted),
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("adopt_onnx"),
    params:
        stated=of(SETTINGS.adoption, "model"),
        named=of(PATHS.foreign_file, "model"),
        code=code("adopt_onnx"),
    script:
        "../workflow/scripts/adopt_onnx.py"


# The same with all of its nodes as they are, for a network that others have quantised.
rule adopt_as_is:
    input:
        onnx=of(PATHS.foreign, "model"),
        data=of(PATHS.foreign_data, "model"),
        adopted=f"{RESULTS}/onnx/{{model}}/adopted.json",
    output:
        onnx=f"{RESULTS}/onnx/{{model}}/as-is.onnx",
    log:
        f"{LOGS}/adopt_as_is/{{model}}.log",
    wildcard_constraints:
        model=any_of(PATHS.adopted),
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("adopt_as_is"),
    params:
        code=code("adopt_as_is"),
    script:
        "../workflow/scripts/adopt_as_is.py"


rule convert_fp16:
    input:
        onnx=f"{RESULTS}/onnx/{{model}}/fp32.onnx",
    output:
        onnx=f"{RESULTS}/onnx/{{model}}/fp16.onnx",
    log:
        f"{LOGS}/convert_fp16/{{model}}.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("convert_fp16"),
    params:
        code=code("convert_fp16"),
    script:
        "../workflow/scripts/convert_fp16.py"


rule export_program:
    input:
        weights=of(PATHS.weights, "model"),
    output:
        program=f"{RESULTS}/programs/{{model}}.pt",
    log:
        f"{LOGS}/export_program/{{model}}.log",
    conda:
        "../envs/workflow.yaml"
    threads: 1
    resources:
        **needs("export_program"),
    params:
        network=of(SETTINGS.network, "model"),
        code=code("export_program"),
    script:
        "../workflow/scripts/export_program.py"
