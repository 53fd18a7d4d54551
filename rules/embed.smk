# Embeddings of pool, reference and test sets, chunk by chunk, one folder per embedder.


def embedder_weights(wildcards):
    """Return the file of an embedder's weights; published ones are no file of the workflow."""
    name = wildcards.embedder
    return STUDY.embedders[name].weights(name, RESULTS) or []


def embedder_definition(wildcards):
    """Return the file that defines an embedder's model, where it is kept in a folder."""
    return model_definition(getattr(STUDY.embedders[wildcards.embedder], "model", ""))


def embedder_options(wildcards):
    """Return the options that name the embedder, but for a file of weights."""
    return options(STUDY.embedders[wildcards.embedder].encoder(STUDY.classifiers))


def embedded_files(dataset):
    """Return what an embedding of a chunk writes."""
    folder = FILES.embedded("{embedder}", dataset)
    return {
        "embeddings": FILES.vectors("{embedder}", dataset, "{chunk}"),
        "metadata": f"{folder}/metadata/metadata_{{chunk}}.parquet",
        "rejected": f"{folder}/rejected/rejected_{{chunk}}.parquet",
    }


EMBEDDED = (
    "--img-emb {output.embeddings} --metadata {output.metadata} --rejected {output.rejected} "
    "> {log} 2>&1"
)


rule embed_chunk:
    input:
        data=f"{RESULTS}/data/{{dataset}}/{{chunk}}",
        weights=embedder_weights,
        definition=embedder_definition,
    output:
        **embedded_files("{dataset}"),
    log:
        logged("embed_chunk", "{embedder}/{dataset}/{chunk}"),
    benchmark:
        benchmarked("embed_chunk", "{embedder}/{dataset}/{chunk}")
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
        use=lambda wildcards: (
            "test" if wildcards.dataset in [*TEST_SETS, EXAMPLES] else "training"
        ),
        checkpoint=checkpoint,
        state=lambda wildcards: (
            f"{RESULTS}/state/embed_chunk/{wildcards.embedder}/{wildcards.dataset}/{wildcards.chunk}"
        ),
    message:
        "Embedding {wildcards.dataset} chunk {wildcards.chunk} with {wildcards.embedder}"
    shell:
        "python {SCRIPTS}/embed_chunk.py --data {input.data} --use {params.use} "
        "{params.embedder} {params.checkpoint} "
        "--device {resources.device} --batch-size {resources.batch_size} "
        "--workers {resources.workers} --state {params.state} " + EMBEDDED


rule import_embeddings:
    input:
        data=f"{RESULTS}/data/pool/{{chunk}}",
        given=lambda wildcards: STUDY.embedders[wildcards.embedder].pool_embeddings,
        weights=embedder_weights,
        definition=embedder_definition,
    output:
        **embedded_files("pool"),
    log:
        logged("import_embeddings", "{embedder}/{chunk}"),
    benchmark:
        benchmarked("import_embeddings", "{embedder}/{chunk}")
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
        checkpoint=checkpoint,
    message:
        "Taking the embeddings of pool chunk {wildcards.chunk} from {input.given}"
    shell:
        "python {SCRIPTS}/import_embeddings.py --data {input.data} --given {input.given:q} "
        "{params.embedder} {params.checkpoint} --device cpu " + EMBEDDED


# Where embeddings of the pool are given, both rules make them.
ruleorder: import_embeddings > embed_chunk
