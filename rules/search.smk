# Exact similarity search of every test set against the reference and against each pool chunk.

TEST_EMBEDDINGS = (
    f"{RESULTS}/embeddings/{{embedder}}/{{test_set}}/img_emb/img_emb_{TEST_CHUNK}.npy"
)
SIMILARITY = f"{RESULTS}/similarity/{{embedder}}/{{test_set}}"


rule search_reference:
    input:
        tests=TEST_EMBEDDINGS,
        reference=lambda wildcards: embeddings(wildcards.embedder, "reference"),
    output:
        f"{SIMILARITY}/reference_neighbours.parquet",
    log:
        f"{RESULTS}/logs/search_reference/{{embedder}}/{{test_set}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/search_reference/{{embedder}}/{{test_set}}.tsv"
    priority: BEFORE_TRAINING
    conda:
        "../envs/search.yaml"
    resources:
        engine=COMPUTE.engine,
        device=COMPUTE.device,
        gpu=GPU,
        block_rows=COMPUTE.search_block_rows,
        search_mb=COMPUTE.search_memory_mb,
        mem_mb=search_memory,
    params:
        reference=lambda wildcards: f"{RESULTS}/embeddings/{wildcards.embedder}/reference",
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
        pool=f"{RESULTS}/embeddings/{{embedder}}/pool/img_emb/img_emb_{{chunk}}.npy",
    output:
        margins=f"{SIMILARITY}/margins/margins_{{chunk}}.parquet",
        neighbours=f"{SIMILARITY}/pool_neighbours/pool_neighbours_{{chunk}}.parquet",
    log:
        f"{RESULTS}/logs/search_pool/{{embedder}}/{{test_set}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/search_pool/{{embedder}}/{{test_set}}/{{chunk}}.tsv"
    priority: BEFORE_TRAINING
    conda:
        "../envs/search.yaml"
    resources:
        engine=COMPUTE.engine,
        device=COMPUTE.device,
        gpu=GPU,
        block_rows=COMPUTE.search_block_rows,
        search_mb=COMPUTE.search_memory_mb,
        mem_mb=search_memory,
    params:
        ranks=sorted(STUDY.search.ranks),
        neighbours=POOL_NEIGHBOURS,
    message:
        "Searching pool chunk {wildcards.chunk} for {wildcards.test_set}"
    shell:
        "python {SCRIPTS}/search_pool.py --pool {input.pool} --chunk {wildcards.chunk} "
        "--tests {input.tests} --reference-neighbours {input.reference} --ranks {params.ranks} "
        "--k {params.neighbours} --out-margins {output.margins} "
        "--out-neighbours {output.neighbours} " + ENGINE_OPTIONS + "> {log} 2>&1"


rule merge_neighbours:
    input:
        expand(
            rules.search_pool.output.neighbours, chunk=POOL_CHUNKS, allow_missing=True
        ),
    output:
        f"{SIMILARITY}/pool_neighbours.parquet",
    log:
        f"{RESULTS}/logs/merge_neighbours/{{embedder}}/{{test_set}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/merge_neighbours/{{embedder}}/{{test_set}}.tsv"
    conda:
        "../envs/search.yaml"
    params:
        neighbours=POOL_NEIGHBOURS,
    message:
        "Merging the neighbours of {wildcards.test_set} over the pool's chunks"
    shell:
        "python {SCRIPTS}/merge_neighbours.py --neighbours {input} --k {params.neighbours} "
        "--out {output} > {log} 2>&1"
