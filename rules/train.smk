# Training: one CLIP model per subset and seed, and the embedders and classifiers that the workflow
# trains itself.


# The other half runs the workers and the jobs that do not wait for this training. A cluster's profile names
# no number of cores; it sets the threads of each rule itself.
HALF_OF_CORES = max(1, (workflow.resource_settings.cores or 2) // 2)
REFERENCE_SAMPLE = f"{RESULTS}/reference_samples/{{share}}"
TRAINING_RESOURCES = {
    "device": COMPUTE.device,
    "gpu": TRAINING_GPUS,
    "nodes": 1,
    "workers": COMPUTE.training_workers,
}
TRAINING_OPTIONS = (
    "{params.settings} --device {resources.device} --gpus {resources.gpu} "
    "--workers {resources.workers} --state {params.state} --weights {output.weights} "
    "--metrics {output.metrics} --summary {output.summary} > {log} 2>&1"
)


def training_files(folder):
    """Return what a training writes."""
    return {
        "weights": f"{folder}/model.pt",
        "metrics": f"{folder}/metrics.csv",
        "summary": f"{folder}/training.json",
    }


def training_settings(settings):
    """Return the options of the settings of a training."""
    return options(settings.model_dump(exclude={"kind", "seed", "seeds"}))


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
    kept = REFERENCE_SAMPLE.format(share=share) if share < 1 else None
    return options({"reference": FILES.data("reference"), "reference_kept": kept})


rule sample_reference:
    input:
        FILES.embeddings(EMBEDDER, "reference"),
    output:
        kept=expand(
            f"{REFERENCE_SAMPLE}/kept_{{chunk}}.parquet",
            chunk=REFERENCE_CHUNKS,
            allow_missing=True,
        ),
        summary=f"{REFERENCE_SAMPLE}/summary.json",
    log:
        logged("sample_reference", "{share}"),
    benchmark:
        benchmarked("sample_reference", "{share}")
    wildcard_constraints:
        share=r"0\.\d+",
    priority: BEFORE_TRAINING
    conda:
        "../envs/search.yaml"
    params:
        embedder=EMBEDDER,
        embeddings=FILES.embedded(EMBEDDER, "reference"),
        chunks=REFERENCE_CHUNKS,
        out=REFERENCE_SAMPLE,
    message:
        "Taking {wildcards.share} of the reference"
    shell:
        "python {SCRIPTS}/sample_reference.py --subset reference_{wildcards.share} "
        "--keep {wildcards.share} --embedder {params.embedder} --embeddings {params.embeddings} "
        "--chunks {params.chunks} --out {params.out} --summary {output.summary} > {log} 2>&1"


rule train_embedder:
    input:
        pool=FILES.data("pool"),
        definition=lambda wildcards: model_definition(
            STUDY.embedders[wildcards.embedder].model
        ),
    output:
        **training_files(f"{RESULTS}/embedders/{{embedder}}"),
    log:
        logged("train_embedder", "{embedder}"),
    benchmark:
        benchmarked("train_embedder", "{embedder}")
    wildcard_constraints:
        embedder=one_of(
            name for name, kind in STUDY.embedders.items() if kind.kind == "trained"
        ),
    priority: BEFORE_EMBEDDING
    conda:
        "../envs/train.yaml"
    threads: HALF_OF_CORES
    resources:
        **TRAINING_RESOURCES,
    params:
        settings=lambda wildcards: training_settings(
            STUDY.embedders[wildcards.embedder]
        ),
        seed=lambda wildcards: STUDY.embedders[wildcards.embedder].seed,
        state=lambda wildcards: f"{RESULTS}/state/train_embedder/{wildcards.embedder}",
    message:
        "Training the embedder {wildcards.embedder} on the whole pool"
    shell:
        "python {SCRIPTS}/train_embedder.py --embedder {wildcards.embedder} --seed {params.seed} "
        "--pool {input.pool} " + TRAINING_OPTIONS


rule train_clip:
    input:
        # No model is trained on a gap-matched subset that does not hold what it promises.
        certificate=branch(
            lambda wildcards: wildcards.subset in GAP_MATCHED,
            then=rules.certify_subset.output.certificate,
        ),
        kept=rules.select_subset.output.kept,
        pool=FILES.data("pool"),
        reference=lambda wildcards: (
            FILES.data("reference")
            if STUDY.subsets[wildcards.subset].reference
            else []
        ),
        reference_kept=sampled_reference,
        definition=model_definition(STUDY.training.model),
    output:
        **training_files(f"{RESULTS}/models/{{subset}}/seed{{seed}}"),
    log:
        logged("train_clip", "{subset}/seed{seed}"),
    benchmark:
        benchmarked("train_clip", "{subset}/seed{seed}")
    priority: TRAINING
    conda:
        "../envs/train.yaml"
    resources:
        **TRAINING_RESOURCES,
    params:
        settings=training_settings(STUDY.training),
        kept=lambda wildcards: FILES.kept(wildcards.subset),
        reference=reference_options,
        state=lambda wildcards: f"{RESULTS}/state/train_clip/{wildcards.subset}/seed{wildcards.seed}",
    message:
        "Training on {wildcards.subset} and its share of the reference, seed {wildcards.seed}"
    shell:
        "python {SCRIPTS}/train_clip.py --training-set {wildcards.subset} --seed {wildcards.seed} "
        "--pool {input.pool} --kept {params.kept} {params.reference} "
        + TRAINING_OPTIONS


rule train_classifier:
    input:
        FILES.data("reference"),
    output:
        weights=f"{RESULTS}/classifiers/{{classifier}}/model.pt",
        summary=f"{RESULTS}/classifiers/{{classifier}}/training.json",
    log:
        logged("train_classifier", "{classifier}"),
    benchmark:
        benchmarked("train_classifier", "{classifier}")
    wildcard_constraints:
        classifier=one_of(
            name for name, kind in STUDY.classifiers.items() if kind.kind == "trained"
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
            STUDY.classifiers[wildcards.classifier].model_dump(
                exclude={"kind", "test_sets"}
            )
        ),
        state=lambda wildcards: f"{RESULTS}/state/train_classifier/{wildcards.classifier}",
    message:
        "Training the classifier {wildcards.classifier} on the reference"
    shell:
        "python {SCRIPTS}/train_classifier.py --classifier {wildcards.classifier} "
        "--reference {input} {params.settings} --device {resources.device} "
        "--workers {resources.workers} --state {params.state} --weights {output.weights} "
        "--summary {output.summary} > {log} 2>&1"
