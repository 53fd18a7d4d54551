# Accuracy of every model on every test set: CLIP's zero-shot, and that of supervised classifiers.

TEST_DATA = f"{RESULTS}/data/{{test_set}}/{TEST_CHUNK}"


def template_options(wildcards):
    """Return the options of a test set: prompt templates, and how its images are labelled."""
    chosen = STUDY.test_sets[wildcards.test_set].templates
    templates = chosen or STUDY.evaluation.templates
    return options(
        {
            "templates": [templates] if isinstance(templates, str) else templates,
            "own_templates": chosen is None,
            "multilabel": wildcards.test_set in FILES.multilabel,
        }
    )


rule evaluate_zero_shot:
    input:
        weights=rules.train_clip.output.weights,
        data=TEST_DATA,
        definition=model_definition(STUDY.training.model),
    output:
        predictions=f"{FILES.evaluations}/{{subset}}/seed{{seed}}/{{test_set}}.parquet",
        summary=f"{FILES.evaluations}/{{subset}}/seed{{seed}}/{{test_set}}.json",
    log:
        logged("evaluate_zero_shot", "{subset}/seed{seed}/{test_set}"),
    benchmark:
        benchmarked("evaluate_zero_shot", "{subset}/seed{seed}/{test_set}")
    wildcard_constraints:
        test_set=one_of(FILES.labelled),
    conda:
        "../envs/evaluate.yaml"
    resources:
        device=COMPUTE.device,
        gpu=GPU,
        workers=COMPUTE.embedding_workers,
    params:
        model=STUDY.training.model,
        templates=template_options,
    message:
        "Evaluating {wildcards.subset}, seed {wildcards.seed}, on {wildcards.test_set}"
    shell:
        "python {SCRIPTS}/evaluate_zero_shot.py --training-set {wildcards.subset} "
        "--seed {wildcards.seed} --model {params.model:q} --checkpoint {input.weights} "
        "--data {input.data} {params.templates} "
        "--device {resources.device} --workers {resources.workers} "
        "--predictions {output.predictions} --summary {output.summary} > {log} 2>&1"


rule evaluate_retrieval:
    input:
        weights=rules.train_clip.output.weights,
        data=TEST_DATA,
        definition=model_definition(STUDY.training.model),
    output:
        ranks=f"{FILES.evaluations}/{{subset}}/seed{{seed}}/{{test_set}}.parquet",
        summary=f"{FILES.evaluations}/{{subset}}/seed{{seed}}/{{test_set}}.json",
    log:
        logged("evaluate_retrieval", "{subset}/seed{seed}/{test_set}"),
    benchmark:
        benchmarked("evaluate_retrieval", "{subset}/seed{seed}/{test_set}")
    wildcard_constraints:
        test_set=one_of(FILES.retrieved),
    conda:
        "../envs/evaluate.yaml"
    resources:
        device=COMPUTE.device,
        gpu=GPU,
        workers=COMPUTE.embedding_workers,
    params:
        model=STUDY.training.model,
    message:
        "Retrieval of {wildcards.subset}, seed {wildcards.seed}, on {wildcards.test_set}"
    shell:
        "python {SCRIPTS}/evaluate_retrieval.py --training-set {wildcards.subset} "
        "--seed {wildcards.seed} --model {params.model:q} --checkpoint {input.weights} "
        "--data {input.data} --device {resources.device} --workers {resources.workers} "
        "--ranks {output.ranks} --summary {output.summary} > {log} 2>&1"


def classifier_weights(wildcards):
    """Return the file of a classifier's weights; published ones are no file of the workflow."""
    name = wildcards.classifier
    return STUDY.classifiers[name].weights(name, RESULTS) or []


rule evaluate_classifier:
    input:
        weights=classifier_weights,
        data=TEST_DATA,
        reference=FILES.data("reference")[0],  # any of its chunks tells its classes
    output:
        predictions=f"{FILES.evaluations}/{{classifier}}/pretrained/{{test_set}}.parquet",
        summary=f"{FILES.evaluations}/{{classifier}}/pretrained/{{test_set}}.json",
    log:
        logged("evaluate_classifier", "{classifier}/{test_set}"),
    benchmark:
        benchmarked("evaluate_classifier", "{classifier}/{test_set}")
    conda:
        "../envs/evaluate.yaml"
    resources:
        device=COMPUTE.device,
        gpu=GPU,
        workers=COMPUTE.embedding_workers,
    params:
        settings=lambda wildcards: options(
            STUDY.classifiers[wildcards.classifier].model_dump(
                include={"model", "image_size", "seed"}
            )
            | {"multilabel": wildcards.test_set in FILES.multilabel}
        ),
        checkpoint=checkpoint,
    message:
        "Evaluating the classifier {wildcards.classifier} on {wildcards.test_set}"
    shell:
        "python {SCRIPTS}/evaluate_classifier.py --classifier {wildcards.classifier} "
        "{params.settings} {params.checkpoint} --data {input.data} "
        "--reference {input.reference} --device {resources.device} "
        "--workers {resources.workers} --predictions {output.predictions} "
        "--summary {output.summary} > {log} 2>&1"
