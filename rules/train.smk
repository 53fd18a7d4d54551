# Training: one CLIP model per subset and seed, and the embedders and classifiers that the workflow
# trains itself.


# The other half runs the loader and the jobs that do not wait for this training. A cluster's profile names
# no number of cores; it sets the threads of each rule itself.
HALF_OF_CORES = max(1, (workflow.resource_settings.cores or 2) // 2)
REFERENCE_SAMPLE = f"{RESULTS}/reference_samples/{{share}}"


def sampled_reference(wildcards):
    """Return which images of the reference a subset is trained with, where not with all or none."""
    share = STUDY.subsets[wildcards.subset].reference
    kept = f"{REFERENCE_SAMPLE}/kept_{{chunk}}.parquet"
    return expand(kept, share=share, chunk=REFERENCE_CHUNKS) if 0 < share < 1 else []


def reference_options(wildcards):
    """Return train_clip.py's options for the reference; none where it is left out."""
    share = STUDY.subsets[wildcards.subset].reference
    if not share:
        return ""
    chosen = f"--reference {' '.join(data('reference'))}"
    if share < 1:
        chosen += f" --reference-kept {REFERENCE_SAMPLE}".format(share=share)
    return chosen


rule sample_reference:
    input:
        embeddings(EMBEDDER, "reference"),
    output:
        kept=expand(
            f"{REFERENCE_SAMPLE}/kept_{{chunk}}.parquet",
            chunk=REFERENCE_CHUNKS,
            allow_missing=True,
        ),
        summary=f"{REFERENCE_SAMPLE}/summary.json",
    log:
        f"{RESULTS}/logs/sample_reference/{{share}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/sample_reference/{{share}}.tsv"
    wildcard_constraints:
        share=r"0\.\d+",
    priority: BEFORE_TRAINING
    conda:
        "../envs/search.yaml"
    params:
        embedder=EMBEDDER,
        embeddings=f"{RESULTS}/embeddings/{EMBEDDER}/reference",
        chunks=REFERENCE_CHUNKS,
        out=REFERENCE_SAMPLE,
    message:
        "Taking {wildcards.share} of the reference"
    shell:
        "python {SCRIPTS}/select_subset.py --subset reference_{wildcards.share} --method random "
        "--keep {wildcards.share} --embedder {params.embedder} --embeddings {params.embeddings} "
        "--chunks {params.chunks} --out {params.out} --summary {output.summary} > {log} 2>&1"


def training_options(settings):
    """Return train_clip.py's options for the settings of a training section."""
    names = "model epochs batch_size lr warmup weight_decay precision max_skipped"
    chosen = options(**{name: getattr(settings, name) for name in names.split()})
    return chosen + (" --grad-checkpointing" if settings.grad_checkpointing else "")


TRAIN_COMMAND = (
    "python {SCRIPTS}/train_clip.py {params.settings} --device {resources.device} "
    "--gpus {resources.gpu} --workers {resources.workers} --state {params.state} "
    "--weights {output.weights} --metrics {output.metrics} --summary {output.summary} "
)


rule train_embedder:
    input:
        pool=data("pool"),
        definition=lambda wildcards: model_definition(
            STUDY.embedders[wildcards.embedder].model
        ),
    output:
        weights=f"{RESULTS}/embedders/{{embedder}}/model.pt",
        metrics=f"{RESULTS}/embedders/{{embedder}}/metrics.csv",
        summary=f"{RESULTS}/embedders/{{embedder}}/training.json",
    log:
        f"{RESULTS}/logs/train_embedder/{{embedder}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_embedder/{{embedder}}.tsv"
    wildcard_constraints:
        embedder=one_of(
            name
            for name, kind in STUDY.embedders.items()
            if isinstance(kind, TrainedEmbedder)
        ),
    priority: BEFORE_EMBEDDING
    conda:
        "../envs/train.yaml"
    threads: HALF_OF_CORES
    resources:
        device=COMPUTE.device,
        gpu=TRAINING_GPUS,
        nodes=1,
        workers=COMPUTE.training_workers,
    params:
        settings=lambda wildcards: training_options(STUDY.embedders[wildcards.embedder]),
        seed=lambda wildcards: STUDY.embedders[wildcards.embedder].seed,
        state=lambda wildcards: f"{RESULTS}/state/train_embedder/{wildcards.embedder}",
    message:
        "Training the embedder {wildcards.embedder} on the whole pool"
    shell:
        TRAIN_COMMAND + "--training-set {wildcards.embedder} --seed {params.seed} "
        "--pool {input.pool} > {log} 2>&1"


rule train_clip:
    input:
        # No model is trained on a gap-matched subset that does not hold what it promises.
        certificate=branch(
            lambda wildcards: wildcards.subset in GAP_MATCHED,
            then=rules.certify_subset.output.certificate,
        ),
        kept=rules.select_subset.output.kept,
        pool=data("pool"),
        reference=lambda wildcards: (
            data("reference") if STUDY.subsets[wildcards.subset].reference else []
        ),
        reference_kept=sampled_reference,
        definition=model_definition(STUDY.training.model),
    output:
        weights=f"{RESULTS}/models/{{subset}}/seed{{seed}}/model.pt",
        metrics=f"{RESULTS}/models/{{subset}}/seed{{seed}}/metrics.csv",
        summary=f"{RESULTS}/models/{{subset}}/seed{{seed}}/training.json",
    log:
        f"{RESULTS}/logs/train_clip/{{subset}}/seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_clip/{{subset}}/seed{{seed}}.tsv"
    priority: TRAINING
    conda:
        "../envs/train.yaml"
    resources:
        device=COMPUTE.device,
        gpu=TRAINING_GPUS,
        nodes=1,
        workers=COMPUTE.training_workers,
    params:
        settings=training_options(STUDY.training),
        kept=lambda wildcards: f"{RESULTS}/subsets/{wildcards.subset}/kept",
        reference=reference_options,
        state=lambda wildcards: f"{RESULTS}/state/train_clip/{wildcards.subset}/seed{wildcards.seed}",
    message:
        "Training on {wildcards.subset} and its share of the reference, seed {wildcards.seed}"
    shell:
        TRAIN_COMMAND + "--training-set {wildcards.subset} --seed {wildcards.seed} "
        "--pool {input.pool} --kept {params.kept} {params.reference} > {log} 2>&1"


rule train_classifier:
    input:
        data("reference"),
    output:
        weights=f"{RESULTS}/classifiers/{{classifier}}/model.pt",
        summary=f"{RESULTS}/classifiers/{{classifier}}/training.json",
    log:
        f"{RESULTS}/logs/train_classifier/{{classifier}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_classifier/{{classifier}}.tsv"
    wildcard_constraints:
        classifier=one_of(
            name
            for name, kind in STUDY.classifiers.items()
            if isinstance(kind, TrainedClassifier)
        ),
    priority: BEFORE_EMBEDDING
    conda:
        "../envs/train.yaml"
    threads: HALF_OF_CORES
    resources:
        device=COMPUTE.device,
        gpu=GPU,
        workers=COMPUTE.embedding_workers,
    params:
        settings=lambda wildcards: options(
            **STUDY.classifiers[wildcards.classifier].model_dump(exclude={"kind"})
        ),
        state=lambda wildcards: f"{RESULTS}/state/train_classifier/{wildcards.classifier}",
    message:
        "Training the classifier {wildcards.classifier} on the reference"
    shell:
        "python {SCRIPTS}/train_classifier.py --classifier {wildcards.classifier} "
        "--reference {input} {params.settings} --device {resources.device} "
        "--workers {resources.workers} --state {params.state} --weights {output.weights} "
        "--summary {output.summary} > {log} 2>&1"
