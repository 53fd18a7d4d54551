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
    conda:
        "../envs/search.yaml"
    resources:
        engine=COMPUTE.engine,
        device=COMPUTE.device,
        block_rows=COMPUTE.search_block_rows,
        mem_mb=COMPUTE.search_memory_mb,
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


# One job searches a chunk for all test sets, so that a chunk is read once and multiplied once.
# What depends on a file it writes takes that file as `ancient` and names, beside it, the
# embeddings that it follows from: then a further test set, another rank or another number of
# neighbours searches again, which takes minutes, and trains nothing again, which takes days.
# `update` leaves the margins in place until they are replaced: were they removed first, a search
# that is killed would leave subsets without their margins, to be made and trained again.
rule search_pool:
    input:
        tests=expand(TEST_EMBEDDINGS, test_set=TEST_SETS, allow_missing=True),
        reference=expand(
            rules.search_reference.output[0], test_set=TEST_SETS, allow_missing=True
        ),
        pool=f"{RESULTS}/embeddings/{{embedder}}/pool/img_emb/img_emb_{{chunk}}.npy",
    output:
        margins=update(
            expand(
                f"{SIMILARITY}/margins/margins_{{chunk}}.parquet",
                test_set=TEST_SETS,
                allow_missing=True,
            )
        ),
        neighbours=expand(
            f"{SIMILARITY}/pool_neighbours/pool_neighbours_{{chunk}}.parquet",
            test_set=TEST_SETS,
            allow_missing=True,
        ),
    log:
        f"{RESULTS}/logs/search_pool/{{embedder}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/search_pool/{{embedder}}/{{chunk}}.tsv"
    conda:
        "../envs/search.yaml"
    resources:
        engine=COMPUTE.engine,
        device=COMPUTE.device,
        block_rows=COMPUTE.search_block_rows,
        mem_mb=COMPUTE.search_memory_mb,
    params:
        ranks=sorted(STUDY.search.ranks),
        neighbours=STUDY.search.pool_neighbours,
    message:
        "Searching pool chunk {wildcards.chunk} for all test sets"
    shell:
        "python {SCRIPTS}/search_pool.py --pool {input.pool} --chunk {wildcards.chunk} "
        "--tests {input.tests} --reference-neighbours {input.reference} --ranks {params.ranks} "
        "--k {params.neighbours} --out-margins {output.margins} "
        "--out-neighbours {output.neighbours} " + ENGINE_OPTIONS + "> {log} 2>&1"


rule merge_neighbours:
    input:
        neighbours=ancient(
            expand(
                f"{SIMILARITY}/pool_neighbours/pool_neighbours_{{chunk}}.parquet",
                chunk=POOL_CHUNKS,
                allow_missing=True,
            )
        ),
        tests=TEST_EMBEDDINGS,
        pool=lambda wildcards: embeddings(wildcards.embedder, "pool"),
    output:
        f"{SIMILARITY}/pool_neighbours.parquet",
    log:
        f"{RESULTS}/logs/merge_neighbours/{{embedder}}/{{test_set}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/merge_neighbours/{{embedder}}/{{test_set}}.tsv"
    conda:
        "../envs/search.yaml"
    params:
        neighbours=STUDY.search.pool_neighbours,
    message:
        "Merging the neighbours of {wildcards.test_set} over the pool's chunks"
    shell:
        "python {SCRIPTS}/merge_neighbours.py --neighbours {input.neighbours} --k {params.neighbours} "
        "--out {output} > {log} 2>&1"
