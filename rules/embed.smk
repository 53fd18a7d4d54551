# Embeddings of pool, reference and test sets, chunk by chunk, one folder per embedder.


def embedder_weights(wildcards):
    """Return the file of an embedder's weights; published ones are no file of the workflow."""
    embedder = STUDY.embedders[wildcards.embedder]
    if isinstance(embedder, TrainedEmbedder):
        return rules.train_embedder.output.weights
    if isinstance(embedder, ClassifierEmbedder):
        return expand(
            rules.train_classifier.output.weights, classifier=embedder.classifier
        )
    return getattr(embedder, "checkpoint", None) or []


def embedder_definition(wildcards):
    """Return the file that defines an embedder's model, where it is kept in a folder."""
    embedder = STUDY.embedders[wildcards.embedder]
    return model_definition(getattr(embedder, "model", ""))


def embedder_options(wildcards):
    """Return the options that name the embedder, but for a file of weights."""
    embedder = STUDY.embedders[wildcards.embedder]
    if isinstance(embedder, TimmEmbedder):
        return options(library="timm", model=embedder.model)
    if isinstance(embedder, ClassifierEmbedder):
        classifier = STUDY.classifiers[embedder.classifier]
        settings = classifier.model_dump(include={"model", "image_size"})
        return options(library="timm", **settings)
    if isinstance(embedder, PretrainedEmbedder):
        return options(model=embedder.model, pretrained=embedder.pretrained)
    return options(model=embedder.model)


rule embed_chunk:
    input:
        chunk=f"{RESULTS}/data/{{dataset}}/{{chunk}}",
        weights=embedder_weights,
        definition=embedder_definition,
    output:
        embeddings=f"{RESULTS}/embeddings/{{embedder}}/{{dataset}}/img_emb/img_emb_{{chunk}}.npy",
        metadata=f"{RESULTS}/embeddings/{{embedder}}/{{dataset}}/metadata/metadata_{{chunk}}.parquet",
        rejected=f"{RESULTS}/embeddings/{{embedder}}/{{dataset}}/rejected/rejected_{{chunk}}.parquet",
    log:
        f"{RESULTS}/logs/embed_chunk/{{embedder}}/{{dataset}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/embed_chunk/{{embedder}}/{{dataset}}/{{chunk}}.tsv"
    priority: BEFORE_TRAINING
    conda:
        "../envs/embed.yaml"
    resources:
        device=COMPUTE.device,
        gpu=GPU,
        batch_size=COMPUTE.embedding_batch_size,
        workers=COMPUTE.embedding_workers,
    params:
        embedder=embedder_options,
        use=lambda wildcards: "test" if wildcards.dataset in TEST_SETS else "training",
        checkpoint=lambda _, input: (
            options(checkpoint=input.weights) if input.weights else ""
        ),
        state=lambda wildcards: (
            f"{RESULTS}/state/embed_chunk/{wildcards.embedder}/{wildcards.dataset}/{wildcards.chunk}"
        ),
    message:
        "Embedding {wildcards.dataset} chunk {wildcards.chunk} with {wildcards.embedder}"
    shell:
        "python {SCRIPTS}/embed_chunk.py --chunk {input.chunk} --use {params.use} "
        "{params.embedder} {params.checkpoint} "
        "--device {resources.device} --batch-size {resources.batch_size} "
        "--workers {resources.workers} --state {params.state} --img-emb {output.embeddings} "
        "--metadata {output.metadata} --rejected {output.rejected} > {log} 2>&1"


rule import_embeddings:
    input:
        chunk=f"{RESULTS}/data/pool/{{chunk}}",
        given=lambda wildcards: STUDY.embedders[wildcards.embedder].pool_embeddings,
        weights=embedder_weights,
        definition=embedder_definition,
    output:
        embeddings=f"{RESULTS}/embeddings/{{embedder}}/pool/img_emb/img_emb_{{chunk}}.npy",
        metadata=f"{RESULTS}/embeddings/{{embedder}}/pool/metadata/metadata_{{chunk}}.parquet",
        rejected=f"{RESULTS}/embeddings/{{embedder}}/pool/rejected/rejected_{{chunk}}.parquet",
    log:
        f"{RESULTS}/logs/import_embeddings/{{embedder}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/import_embeddings/{{embedder}}/{{chunk}}.tsv"
    wildcard_constraints:
        embedder=one_of(
            name
            for name, embedder in STUDY.embedders.items()
            if getattr(embedder, "pool_embeddings", None)
        ),
    priority: BEFORE_TRAINING
    conda:
        "../envs/embed.yaml"
    params:
        embedder=embedder_options,
        checkpoint=lambda _, input: (
            options(checkpoint=input.weights) if input.weights else ""
        ),
    message:
        "Taking the embeddings of pool chunk {wildcards.chunk} from {input.given}"
    shell:
        "python {SCRIPTS}/import_embeddings.py --chunk {input.chunk} --given {input.given:q} "
        "{params.embedder} {params.checkpoint} --device cpu --img-emb {output.embeddings} "
        "--metadata {output.metadata} --rejected {output.rejected} > {log} 2>&1"


# Where embeddings of the pool are given, both rules make them.
ruleorder: import_embeddings > embed_chunk
