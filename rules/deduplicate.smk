# Removal of near duplicates from the pool: k-means, then within a cluster against earlier samples.

DEDUPLICATE = STUDY.deduplicate
CLUSTERS = f"{RESULTS}/deduplication/clusters/clusters_{{chunk}}.parquet"
DUPLICATES = f"{RESULTS}/deduplication/duplicates/duplicates_{{chunk}}.parquet"


def duplicates():
    """Return the files of duplicates of all chunks; none where the study leaves them in."""
    return expand(DUPLICATES, chunk=POOL_CHUNKS) if DEDUPLICATE else []


if DEDUPLICATE:
    POOL_EMBEDDINGS = f"{RESULTS}/embeddings/{DEDUPLICATE.embedder}/pool"

    rule cluster_embeddings:
        input:
            embeddings(DEDUPLICATE.embedder, "pool"),
        output:
            f"{RESULTS}/deduplication/centroids.npy",
        log:
            f"{RESULTS}/logs/cluster_embeddings.log",
        benchmark:
            f"{RESULTS}/benchmarks/cluster_embeddings.tsv"
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
            embeddings=POOL_EMBEDDINGS,
            chunks=POOL_CHUNKS,
            settings=options(
                clusters=DEDUPLICATE.clusters,
                iterations=DEDUPLICATE.iterations,
                max_training_samples=DEDUPLICATE.max_training_samples,
                seed=DEDUPLICATE.seed,
            ),
        message:
            "Clustering the pool"
        shell:
            "python {SCRIPTS}/cluster_embeddings.py --embeddings {params.embeddings} "
            "--chunks {params.chunks} {params.settings} --out {output} "
            + ENGINE_OPTIONS
            + "> {log} 2>&1"

    rule assign_clusters:
        input:
            embeddings=f"{POOL_EMBEDDINGS}/img_emb/img_emb_{{chunk}}.npy",
            centroids=rules.cluster_embeddings.output,
        output:
            CLUSTERS,
        log:
            f"{RESULTS}/logs/assign_clusters/{{chunk}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/assign_clusters/{{chunk}}.tsv"
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
        message:
            "Assigning pool chunk {wildcards.chunk} to clusters"
        shell:
            "python {SCRIPTS}/assign_clusters.py --embeddings {input.embeddings} "
            "--centroids {input.centroids} --out {output} "
            + ENGINE_OPTIONS
            + "> {log} 2>&1"

    rule drop_duplicates:
        input:
            embeddings=embeddings(DEDUPLICATE.embedder, "pool"),
            centroids=rules.cluster_embeddings.output,
            clusters=expand(CLUSTERS, chunk=POOL_CHUNKS),
        output:
            f"{RESULTS}/deduplication/dropped/dropped_{{part}}.parquet",
        log:
            f"{RESULTS}/logs/drop_duplicates/{{part}}.log",
        benchmark:
            f"{RESULTS}/benchmarks/drop_duplicates/{{part}}.tsv"
        priority: BEFORE_TRAINING
        conda:
            "../envs/search.yaml"
        resources:
            search_mb=COMPUTE.search_memory_mb,
            mem_mb=search_memory,
        params:
            embeddings=POOL_EMBEDDINGS,
            clusters=f"{RESULTS}/deduplication/clusters",
            chunks=POOL_CHUNKS,
            settings=options(threshold=DEDUPLICATE.threshold, parts=DEDUPLICATE.parts),
        message:
            "Finding near duplicates in part {wildcards.part} of the clusters"
        shell:
            "python {SCRIPTS}/drop_duplicates.py --embeddings {params.embeddings} "
            "--centroids {input.centroids} --clusters {params.clusters} --chunks {params.chunks} "
            "{params.settings} --part {wildcards.part} "
            "--threads {threads} --max-memory-mb {resources.search_mb} --out {output} > {log} 2>&1"

    rule collect_duplicates:
        input:
            embeddings=embeddings(DEDUPLICATE.embedder, "pool"),
            parts=expand(rules.drop_duplicates.output[0], part=range(DEDUPLICATE.parts)),
        output:
            duplicates=expand(DUPLICATES, chunk=POOL_CHUNKS),
            summary=f"{RESULTS}/deduplication/summary.json",
        log:
            f"{RESULTS}/logs/collect_duplicates.log",
        benchmark:
            f"{RESULTS}/benchmarks/collect_duplicates.tsv"
        priority: BEFORE_TRAINING
        conda:
            "../envs/search.yaml"
        params:
            embeddings=POOL_EMBEDDINGS,
            duplicates=f"{RESULTS}/deduplication/duplicates",
            chunks=POOL_CHUNKS,
            threshold=DEDUPLICATE.threshold,
        message:
            "Listing the near duplicates of every chunk"
        shell:
            "python {SCRIPTS}/collect_duplicates.py --embeddings {params.embeddings} "
            "--chunks {params.chunks} --parts {input.parts} --threshold {params.threshold} "
            "--out {params.duplicates} --summary {output.summary} > {log} 2>&1"
