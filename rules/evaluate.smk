# Zero-shot accuracy of every model on every test set.


rule evaluate:
    input:
        weights=rules.train.output.weights,
        test_set=f"{RESULTS}/data/{{test_set}}/{TEST_CHUNK}",
        definition=model_definition(STUDY.training.model),
    output:
        predictions=f"{RESULTS}/evaluations/{{subset}}/seed{{seed}}/{{test_set}}.parquet",
        summary=f"{RESULTS}/evaluations/{{subset}}/seed{{seed}}/{{test_set}}.json",
    log:
        f"{RESULTS}/logs/evaluate/{{subset}}/seed{{seed}}/{{test_set}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate/{{subset}}/seed{{seed}}/{{test_set}}.tsv"
    conda:
        "../envs/evaluate.yaml"
    resources:
        device=COMPUTE.device,
        gpu=GPU,
        workers=COMPUTE.embedding_workers,
    params:
        model=STUDY.training.model,
        templates=(
            [STUDY.evaluation.templates]
            if isinstance(STUDY.evaluation.templates, str)
            else STUDY.evaluation.templates
        ),
    message:
        "Evaluating {wildcards.subset}, seed {wildcards.seed}, on {wildcards.test_set}"
    shell:
        "python {SCRIPTS}/evaluate_zero_shot.py --training-set {wildcards.subset} "
        "--seed {wildcards.seed} --model {params.model} --checkpoint {input.weights} "
        "--test-set {input.test_set} --templates {params.templates:q} "
        "--device {resources.device} --workers {resources.workers} "
        "--predictions {output.predictions} --summary {output.summary} > {log} 2>&1"
