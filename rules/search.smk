# Exact similarity search of every test set against the reference and against each pool chunk.

TEST_EMBEDDINGS = (
    f"{RESULTS}/embeddings/{{embedder}}/{{test_set}}/img_emb/img_emb_{TEST_CHUNK}.npy"
)
SIMILARITY = f"{RESULTS}/similarity/{{embedder}}/{{test_set}}"
SEARCH_OPTIONS = (
    "--engine {resources.engine} --device {resources.device} "
    "--block-rows {resources.block_rows} --threads {threads} "
)


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
    params:
        reference=lambda wildcards: f"{RESULTS}/embeddings/{wildcards.embedder}/reference",
        chunks=REFERENCE_CHUNKS,
        neighbours=STUDY.search.reference_neighbours,
    message:
        "Nearest reference images of {wildcards.test_set}"
    shell:
        "python {SCRIPTS}/search_reference.py --tests {input.tests} --reference {params.reference} "
        "--chunks {params.chunks} --k {params.neighbours} --out {output} "
        + SEARCH_OPTIONS
        + "> {log} 2>&1"


rule search_margins:
    input:
        tests=TEST_EMBEDDINGS,
        reference=rules.search_reference.output,
        pool=f"{RESULTS}/embeddings/{{embedder}}/pool/img_emb/img_emb_{{chunk}}.npy",
    output:
        f"{SIMILARITY}/margins/margins_{{chunk}}.parquet",
    log:
        f"{RESULTS}/logs/search_margins/{{embedder}}/{{test_set}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/search_margins/{{embedder}}/{{test_set}}/{{chunk}}.tsv"
    conda:
        "../envs/search.yaml"
    resources:
        engine=COMPUTE.engine,
        device=COMPUTE.device,
        block_rows=COMPUTE.search_block_rows,
    params:
        ranks=sorted(STUDY.search.ranks),
    message:
        "Margins of pool chunk {wildcards.chunk} against {wildcards.test_set}"
    shell:
        "python {SCRIPTS}/search_margins.py --tests {input.tests} "
        "--reference-neighbours {input.reference} --pool {input.pool} --ranks {params.ranks} "
        "--out {output} " + SEARCH_OPTIONS + "> {log} 2>&1"


rule search_neighbours:
    input:
        tests=TEST_EMBEDDINGS,
        pool=f"{RESULTS}/embeddings/{{embedder}}/pool/img_emb/img_emb_{{chunk}}.npy",
    output:
        f"{SIMILARITY}/pool_neighbours/pool_neighbours_{{chunk}}.parquet",
    log:
        f"{RESULTS}/logs/search_neighbours/{{embedder}}/{{test_set}}/{{chunk}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/search_neighbours/{{embedder}}/{{test_set}}/{{chunk}}.tsv"
    conda:
        "../envs/search.yaml"
    resources:
        engine=COMPUTE.engine,
        device=COMPUTE.device,
        block_rows=COMPUTE.search_block_rows,
    params:
        neighbours=STUDY.search.pool_neighbours,
    message:
        "Nearest images of {wildcards.test_set} in pool chunk {wildcards.chunk}"
    shell:
        "python {SCRIPTS}/search_neighbours.py --tests {input.tests} --pool {input.pool} "
        "--chunk {wildcards.chunk} --k {params.neighbours} --out {output} "
        + SEARCH_OPTIONS
        + "> {log} 2>&1"


rule merge_neighbours:
    input:
        expand(rules.search_neighbours.output[0], chunk=POOL_CHUNKS, allow_missing=True),
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
        "python {SCRIPTS}/merge_neighbours.py --neighbours {input} --k {params.neighbours} "
        "--out {output} > {log} 2>&1"
