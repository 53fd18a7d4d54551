# Accuracy of every model on every test set: CLIP's zero-shot, and that of supervised classifiers.


rule evaluate_zero_shot:
    input:
        weights=rules.train_clip.output.weights,
        test_set=f"{RESULTS}/data/{{test_set}}/{TEST_CHUNK}",
        definition=model_definition(STUDY.training.model),
    output:
        predictions=f"{RESULTS}/evaluations/{{subset}}/seed{{seed}}/{{test_set}}.parquet",
        summary=f"{RESULTS}/evaluations/{{subset}}/seed{{seed}}/{{test_set}}.json",
    log:
        f"{RESULTS}/logs/evaluate_zero_shot/{{subset}}/seed{{seed}}/{{test_set}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_zero_shot/{{subset}}/seed{{seed}}/{{test_set}}.tsv"
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
        "--seed {wildcards.seed} --model {params.model:q} --checkpoint {input.weights} "
        "--test-set {input.test_set} --templates {params.templates:q} "
        "--device {resources.device} --workers {resources.workers} "
        "--predictions {output.predictions} --summary {output.summary} > {log} 2>&1"


def classifier_weights(wildcards):
    """Return the file of a classifier's weights; published ones are no file of the workflow."""
    classifier = STUDY.classifiers[wildcards.classifier]
    if isinstance(classifier, TrainedClassifier):
        return rules.train_classifier.output.weights
    return classifier.checkpoint if isinstance(classifier, CheckpointClassifier) else []


def classifier_options(wildcards):
    """Return the options that name the classifier, but for a file of weights."""
    classifier = STUDY.classifiers[wildcards.classifier]
    return options(**classifier.model_dump(include={"model", "image_size", "seed"}))


rule evaluate_classifier:
    input:
        weights=classifier_weights,
        test_set=f"{RESULTS}/data/{{test_set}}/{TEST_CHUNK}",
        reference=REFERENCE_CHUNK,
    output:
        predictions=f"{RESULTS}/evaluations/{{classifier}}/pretrained/{{test_set}}.parquet",
        summary=f"{RESULTS}/evaluations/{{classifier}}/pretrained/{{test_set}}.json",
    log:
        f"{RESULTS}/logs/evaluate_classifier/{{classifier}}/{{test_set}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate_classifier/{{classifier}}/{{test_set}}.tsv"
    conda:
        "../envs/evaluate.yaml"
    resources:
        device=COMPUTE.device,
        gpu=GPU,
        workers=COMPUTE.embedding_workers,
    params:
        settings=classifier_options,
        checkpoint=lambda _, input: (
            options(checkpoint=input.weights) if input.weights else ""
        ),
    message:
        "Evaluating the classifier {wildcards.classifier} on {wildcards.test_set}"
    shell:
        "python {SCRIPTS}/evaluate_classifier.py --classifier {wildcards.classifier} "
        "{params.settings} {params.checkpoint} --test-set {input.test_set} "
        "--reference {input.reference} --device {resources.device} "
        "--workers {resources.workers} --predictions {output.predictions} "
        "--summary {output.summary} > {log} 2>&1"


def classifier_evaluations(output):
    """Return one kind of output of all evaluations of classifiers."""
    return expand(output, classifier=STUDY.classifiers, test_set=TEST_SETS)
