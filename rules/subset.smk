# Subsets of the pool, and the certificate that a gap-matched one holds what it promises.

KEPT = f"{FILES.kept('{subset}')}/kept_{{chunk}}.parquet"


def selection_size(wildcards):
    """Return the summary of the subset whose size is taken."""
    keep = getattr(STUDY.subsets[wildcards.subset], "keep", None)
    return FILES.summary(keep) if isinstance(keep, str) else []


def selection_options(wildcards):
    """Return the options of a subset's method: its keys in the study."""
    name = wildcards.subset
    chosen = STUDY.subsets[name].model_dump(exclude={"method", "embedder", "reference"})
    if "test_sets" in chosen:
        chosen["similarity"] = FILES.similarity(STUDY.subset_embedder(name))
        chosen["test_sets"] = STUDY.subset_test_sets(name)
    if "clusters" in chosen:
        chosen["assigned"] = f"{FILES.clustering('clustering')}/clusters"
    if "shares" in chosen:
        chosen["shares"] = sorted(chosen["shares"].items())
        chosen["styles"] = f"{RESULTS}/styles"
    if isinstance(chosen.get("keep"), str):
        del chosen["keep"]
        chosen["keep_like"] = selection_size(wildcards)
    return options(chosen)


def selection_clusters(wildcards):
    """Return the clusters that a subset chooses among; nothing for most."""
    chooses = hasattr(STUDY.subsets[wildcards.subset], "clusters")
    return FILES.own_clusters() if chooses else []


def selection_styles(wildcards):
    """Return the styles that a subset's shares are of; nothing for most."""
    mixes = hasattr(STUDY.subsets[wildcards.subset], "shares")
    return [*FILES.all_styles(), FILES.learned_styles] if mixes else []


def of_subset(function, *arguments):
    """Return a function of the wildcards: what the embedder of a subset made."""
    return lambda wildcards: function(
        STUDY.subset_embedder(wildcards.subset), *arguments
    )


rule select_subset:
    input:
        pool=of_subset(FILES.embeddings, "pool"),
        duplicates=duplicates(),
        margins=lambda wildcards: FILES.subset_margins(wildcards.subset),
        same_size=selection_size,
        clusters=selection_clusters,
        styles=selection_styles,
        files=lambda wildcards: [
            path for _, path in STUDY.subsets[wildcards.subset].paths()
        ],
    output:
        kept=expand(KEPT, chunk=POOL_CHUNKS, allow_missing=True),
        summary=FILES.summary("{subset}"),
    log:
        logged("select_subset", "{subset}"),
    benchmark:
        benchmarked("select_subset", "{subset}")
    priority: BEFORE_TRAINING
    conda:
        "../envs/search.yaml"
    params:
        method=lambda wildcards: STUDY.subsets[wildcards.subset].method,
        embedder=lambda wildcards: STUDY.subset_embedder(wildcards.subset),
        embeddings=of_subset(FILES.embedded, "pool"),
        chunks=POOL_CHUNKS,
        duplicates=(f"--duplicates {DEDUPLICATION}/duplicates" if DEDUPLICATE else ""),
        selection=selection_options,
        kept=lambda wildcards: FILES.kept(wildcards.subset),
    message:
        "Selecting the subset {wildcards.subset}"
    shell:
        "python {SCRIPTS}/select_subset.py {params.method} --subset {wildcards.subset} "
        "{params.selection} --embedder {params.embedder} --embeddings {params.embeddings} "
        "--chunks {params.chunks} {params.duplicates} --out {params.kept} "
        "--summary {output.summary} > {log} 2>&1"


def certified_test_sets(subset):
    """Return the test sets that a subset is measured against: its own, else all."""
    return STUDY.subset_test_sets(subset) or sorted(TEST_SETS)


def certified_tests(wildcards):
    """Return the embeddings of the test sets that a subset is measured against."""
    embedder = STUDY.subset_embedder(wildcards.subset)
    return [
        FILES.vectors(embedder, test_set, TEST_CHUNK)
        for test_set in certified_test_sets(wildcards.subset)
    ]


def certified_together(wildcards):
    """Return pairs: each certified subset of the same embedder, with each of its test sets."""
    embedder = STUDY.subset_embedder(wildcards.subset)
    return " ".join(
        f"{subset} {test_set}"
        for subset in FILES.certified()
        if STUDY.subset_embedder(subset) == embedder
        for test_set in certified_test_sets(subset)
    )


rule certify_subset:
    input:
        summary=rules.select_subset.output.summary,
        kept=rules.select_subset.output.kept,
        pool=of_subset(FILES.embeddings, "pool"),
        reference=of_subset(FILES.embeddings, "reference"),
        tests=certified_tests,
    output:
        certificate=FILES.certificate("{subset}"),
        nearest=FILES.nearest("{subset}"),
        profile=FILES.profile("{subset}"),
    log:
        logged("certify_subset", "{subset}"),
    benchmark:
        benchmarked("certify_subset", "{subset}")
    priority: BEFORE_TRAINING
    conda:
        "../envs/search.yaml"
    resources:
        device=COMPUTE.device,
        gpu=GPU,
        # Subsets that a job may certify in the same pass. A resource and not a parameter: a further subset
        # must not rerun the others.
        also=certified_together,
    params:
        state=lambda wildcards: (
            f"{RESULTS}/state/certify_subset/{STUDY.subset_embedder(wildcards.subset)}"
        ),
        kept=lambda wildcards: FILES.kept(wildcards.subset),
        chunks=POOL_CHUNKS,
        pool=of_subset(FILES.embedded, "pool"),
        reference=of_subset(FILES.embedded, "reference"),
        reference_chunks=REFERENCE_CHUNKS,
        tests=lambda wildcards, input: [
            word
            for pair in zip(certified_test_sets(wildcards.subset), input.tests)
            for word in pair
        ],
    message:
        "Certifying the subset {wildcards.subset} from the embeddings"
    shell:
        "python {SCRIPTS}/certify_subset.py --subset {wildcards.subset} "
        "--summary {input.summary} --kept {params.kept} --chunks {params.chunks} "
        "--pool {params.pool} --reference {params.reference} "
        "--reference-chunks {params.reference_chunks} --tests {params.tests} "
        "--device {resources.device} --threads {threads} "
        "--out {output.certificate} --nearest {output.nearest} --profile {output.profile} "
        "--also {resources.also} --state {params.state} "
        "> {log} 2>&1"


rule measure_subset:
    input:
        kept=rules.select_subset.output.kept,
        pool=FILES.embeddings(EMBEDDER, "pool"),
        clusters=FILES.own_clusters(),
    output:
        FILES.diversity("{subset}"),
    log:
        logged("measure_subset", "{subset}"),
    benchmark:
        benchmarked("measure_subset", "{subset}")
    priority: BEFORE_TRAINING
    conda:
        "../envs/search.yaml"
    params:
        kept=lambda wildcards: FILES.kept(wildcards.subset),
        embeddings=FILES.embedded(EMBEDDER, "pool"),
        chunks=POOL_CHUNKS,
        assigned=(
            f"--assigned {FILES.clustering('clustering')}/clusters"
            if STUDY.clusters
            else ""
        ),
    message:
        "Measuring the diversity of the subset {wildcards.subset}"
    shell:
        "python {SCRIPTS}/measure_subset.py --subset {wildcards.subset} --kept {params.kept} "
        "--embeddings {params.embeddings} --chunks {params.chunks} {params.assigned} "
        "--threads {threads} --out {output} > {log} 2>&1"
