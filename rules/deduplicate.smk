# Removal of near duplicates from the pool: within a cluster, against earlier samples.

DEDUPLICATE = STUDY.deduplicate
DEDUPLICATION = f"{RESULTS}/deduplication"
DUPLICATES = f"{DEDUPLICATION}/duplicates/duplicates_{{chunk}}.parquet"


def duplicates():
    """Return the files of duplicates of all chunks; none where the study leaves them in."""
    return expand(DUPLICATES, chunk=POOL_CHUNKS) if DEDUPLICATE else []


if DEDUPLICATE:
    POOL_EMBEDDINGS = FILES.embedded(DEDUPLICATE.embedder, "pool")

    rule drop_duplicates:
        input:
            embeddings=FILES.embeddings(DEDUPLICATE.embedder, "pool"),
            centroids=f"{DEDUPLICATION}/centroids.npy",
            clusters=expand(
                FILES.clusters("deduplication", "{chunk}"), chunk=POOL_CHUNKS
            ),
        output:
            f"{DEDUPLICATION}/dropped/dropped_{{part}}.parquet",
        log:
            logged("drop_duplicates", "{part}"),
        benchmark:
            benchmarked("drop_duplicates", "{part}")
        priority: BEFORE_TRAINING
        conda:
            "../envs/search.yaml"
        resources:
            search_mb=SEARCHING["search_mb"],
            mem_mb=SEARCHING["mem_mb"],
        params:
            embeddings=POOL_EMBEDDINGS,
            clusters=f"{DEDUPLICATION}/clusters",
            chunks=POOL_CHUNKS,
            settings=options(DEDUPLICATE.model_dump(include={"threshold", "parts"})),
        message:
            "Finding near duplicates in part {wildcards.part} of the clusters"
        shell:
            "python {SCRIPTS}/drop_duplicates.py --embeddings {params.embeddings} "
            "--centroids {input.centroids} --clusters {params.clusters} --chunks {params.chunks} "
            "{params.settings} --part {wildcards.part} "
            "--threads {threads} --max-memory-mb {resources.search_mb} --out {output} > {log} 2>&1"

    rule collect_duplicates:
        input:
            embeddings=FILES.embeddings(DEDUPLICATE.embedder, "pool"),
            parts=expand(rules.drop_duplicates.output[0], part=range(DEDUPLICATE.parts)),
        output:
            duplicates=expand(DUPLICATES, chunk=POOL_CHUNKS),
            summary=f"{DEDUPLICATION}/summary.json",
        log:
            logged("collect_duplicates"),
        benchmark:
            benchmarked("collect_duplicates")
        priority: BEFORE_TRAINING
        conda:
            "../envs/search.yaml"
        params:
            embeddings=POOL_EMBEDDINGS,
            duplicates=f"{DEDUPLICATION}/duplicates",
            chunks=POOL_CHUNKS,
            threshold=DEDUPLICATE.threshold,
        message:
            "Listing the near duplicates of every chunk"
        shell:
            "python {SCRIPTS}/collect_duplicates.py --embeddings {params.embeddings} "
            "--chunks {params.chunks} --parts {input.parts} --threshold {params.threshold} "
            "--out {params.duplicates} --summary {output.summary} > {log} 2>&1"
