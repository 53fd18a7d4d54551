# Clusters of the pool by k-means: those that deduplication looks into, and the study's own, for diversity.

CLUSTERINGS = {
    purpose: settings
    for purpose, settings in {
        "deduplication": STUDY.deduplicate,
        "clustering": STUDY.clusters,
    }.items()
    if settings
}
CENTROIDS = f"{FILES.clustering('{purpose}')}/centroids.npy"


def clustered(wildcards):
    """Return the embedder whose embeddings are clustered."""
    return CLUSTERINGS[wildcards.purpose].embedder or EMBEDDER


if CLUSTERINGS:

    wildcard_constraints:
        purpose=one_of(CLUSTERINGS),

    rule cluster_embeddings:
        input:
            lambda wildcards: FILES.embeddings(clustered(wildcards), "pool"),
        output:
            CENTROIDS,
        log:
            logged("cluster_embeddings", "{purpose}"),
        benchmark:
            benchmarked("cluster_embeddings", "{purpose}")
        priority: BEFORE_TRAINING
        conda:
            f"../envs/{SEARCH_ENVIRONMENT}.yaml"
        resources:
            **SEARCHING,
        params:
            embeddings=lambda wildcards: FILES.embedded(clustered(wildcards), "pool"),
            chunks=POOL_CHUNKS,
            settings=lambda wildcards: options(CLUSTERINGS[wildcards.purpose].options()),
        message:
            "Clustering the pool, for {wildcards.purpose}"
        shell:
            "python {SCRIPTS}/cluster_embeddings.py --embeddings {params.embeddings} "
            "--chunks {params.chunks} {params.settings} --out {output} "
            + ENGINE_OPTIONS
            + "> {log} 2>&1"

    rule assign_clusters:
        input:
            embeddings=lambda wildcards: FILES.vectors(
                clustered(wildcards), "pool", wildcards.chunk
            ),
            centroids=rules.cluster_embeddings.output,
        output:
            FILES.clusters("{purpose}", "{chunk}"),
        log:
            logged("assign_clusters", "{purpose}/{chunk}"),
        benchmark:
            benchmarked("assign_clusters", "{purpose}/{chunk}")
        priority: BEFORE_TRAINING
        conda:
            f"../envs/{SEARCH_ENVIRONMENT}.yaml"
        resources:
            **SEARCHING,
        message:
            "Assigning pool chunk {wildcards.chunk} to clusters, for {wildcards.purpose}"
        shell:
            "python {SCRIPTS}/assign_clusters.py --img-emb {input.embeddings} "
            "--centroids {input.centroids} --out {output} "
            + ENGINE_OPTIONS
            + "> {log} 2>&1"
