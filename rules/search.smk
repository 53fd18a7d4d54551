# Exact similarity search of every test set against the reference and against each pool chunk.

TEST_EMBEDDINGS = FILES.vectors("{embedder}", "{test_set}", TEST_CHUNK)


rule search_reference:
    input:
        tests=TEST_EMBEDDINGS,
        reference=lambda wildcards: FILES.embeddings(wildcards.embedder, "reference"),
    output:
        FILES.reference_neighbours("{embedder}", "{test_set}"),
    log:
        logged("search_reference", "{embedder}/{test_set}"),
    benchmark:
        benchmarked("search_reference", "{embedder}/{test_set}")
    priority: BEFORE_TRAINING
    conda:
        f"../envs/{SEARCH_ENVIRONMENT}.yaml"
    resources:
        **SEARCHING,
    params:
        reference=lambda wildcards: FILES.embedded(wildcards.embedder, "reference"),
        chunks=REFERENCE_CHUNKS,
        neighbours=STUDY.search.reference_neighbours,
    message:
        "Nearest reference images of {wildcards.test_set}"
    shell:
        "python {SCRIPTS}/search_reference.py --tests {input.tests} --reference {params.reference} "
        "--chunks {params.chunks} --k {params.neighbours} --out {output} "
        + ENGINE_OPTIONS
        + "> {log} 2>&1"


rule search_pool:
    input:
        tests=TEST_EMBEDDINGS,
        reference=rules.search_reference.output,
        pool=FILES.vectors("{embedder}", "pool", "{chunk}"),
    output:
        margins=FILES.margins("{embedder}", "{test_set}", "{chunk}"),
        neighbours=FILES.chunk_neighbours("{embedder}", "{test_set}", "{chunk}"),
    log:
        logged("search_pool", "{embedder}/{test_set}/{chunk}"),
    benchmark:
        benchmarked("search_pool", "{embedder}/{test_set}/{chunk}")
    priority: BEFORE_TRAINING
    conda:
        f"../envs/{SEARCH_ENVIRONMENT}.yaml"
    resources:
        **SEARCHING,
        # Test sets that a job may search this chunk for in the same pass. A resource and not a parameter:
        # a further test set must not rerun the others.
        also=" ".join(sorted(TEST_SETS)),
    params:
        state=lambda wildcards: (
            f"{RESULTS}/state/search_pool/{wildcards.embedder}/{wildcards.chunk}"
        ),
        ranks=sorted(STUDY.search.ranks),
        neighbours=POOL_NEIGHBOURS,
    message:
        "Searching pool chunk {wildcards.chunk} for {wildcards.test_set}"
    shell:
        "python {SCRIPTS}/search_pool.py --pool {input.pool} --chunk {wildcards.chunk} "
        "--tests {input.tests} --reference-neighbours {input.reference} --ranks {params.ranks} "
        "--k {params.neighbours} --margins {output.margins} --neighbours {output.neighbours} "
        "--also {resources.also} --state {params.state} "
        + ENGINE_OPTIONS
        + "> {log} 2>&1"


rule merge_neighbours:
    input:
        expand(
            rules.search_pool.output.neighbours, chunk=POOL_CHUNKS, allow_missing=True
        ),
    output:
        FILES.pool_neighbours("{embedder}", "{test_set}"),
    log:
        logged("merge_neighbours", "{embedder}/{test_set}"),
    benchmark:
        benchmarked("merge_neighbours", "{embedder}/{test_set}")
    conda:
        "../envs/search.yaml"
    params:
        neighbours=POOL_NEIGHBOURS,
    message:
        "Merging the neighbours of {wildcards.test_set} over the pool's chunks"
    shell:
        "python {SCRIPTS}/merge_neighbours.py --neighbours {input} --k {params.neighbours} "
        "--out {output} > {log} 2>&1"
