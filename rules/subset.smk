# Subsets of the pool, and the certificate that a gap-matched one holds what it promises.

SUBSET = f"{RESULTS}/subsets/{{subset}}"
KEPT = f"{SUBSET}/kept/kept_{{chunk}}.parquet"


def subset_similarity(subset):
    """Return the folder of the similarities that a subset is selected by."""
    return f"{RESULTS}/similarity/{STUDY.subset_embedder(subset)}"


def subset_embeddings(subset, dataset):
    """Return the folder of a dataset's embeddings by the embedder of a subset."""
    return f"{RESULTS}/embeddings/{STUDY.subset_embedder(subset)}/{dataset}"


def subset_margins(subset):
    """Return the margins that a subset is selected by."""
    return expand(
        f"{subset_similarity(subset)}/{{test_set}}/margins/margins_{{chunk}}.parquet",
        test_set=STUDY.subset_test_sets(subset),
        chunk=POOL_CHUNKS,
    )


def selection_size(wildcards):
    """Return the summary of the subset whose size is taken."""
    keep = getattr(STUDY.subsets[wildcards.subset], "keep", None)
    return f"{RESULTS}/subsets/{keep}/summary.json" if isinstance(keep, str) else []


def selection_options(wildcards):
    """Return select_subset.py's options for what a subset's method needs."""
    subset = STUDY.subsets[wildcards.subset]
    chosen = [options(method=subset.method)]
    if test_sets := STUDY.subset_test_sets(wildcards.subset):
        chosen.append(options(similarity=subset_similarity(wildcards.subset)))
        chosen.append(f"--test-sets {' '.join(test_sets)}")
    if isinstance(subset, GapMatchSubset):
        chosen.append(f"--rank {subset.rank} --offset={subset.offset}")
    if same_size := selection_size(wildcards):
        chosen.append(options(keep_like=same_size))
    elif hasattr(subset, "keep"):
        chosen.append(options(keep=subset.keep))
    if hasattr(subset, "seed"):
        chosen.append(options(seed=subset.seed))
    return " ".join(chosen)


rule select_subset:
    input:
        pool=lambda wildcards: embeddings(
            STUDY.subset_embedder(wildcards.subset), "pool"
        ),
        duplicates=duplicates(),
        margins=lambda wildcards: subset_margins(wildcards.subset),
        same_size=selection_size,
    output:
        kept=expand(KEPT, chunk=POOL_CHUNKS, allow_missing=True),
        summary=f"{SUBSET}/summary.json",
    log:
        f"{RESULTS}/logs/select_subset/{{subset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/select_subset/{{subset}}.tsv"
    priority: BEFORE_TRAINING
    conda:
        "../envs/search.yaml"
    params:
        embedder=lambda wildcards: STUDY.subset_embedder(wildcards.subset),
        embeddings=lambda wildcards: subset_embeddings(wildcards.subset, "pool"),
        chunks=POOL_CHUNKS,
        duplicates=(
            f"--duplicates {RESULTS}/deduplication/duplicates" if DEDUPLICATE else ""
        ),
        selection=selection_options,
        kept=lambda wildcards: f"{RESULTS}/subsets/{wildcards.subset}/kept",
    message:
        "Selecting the subset {wildcards.subset}"
    shell:
        "python {SCRIPTS}/select_subset.py --subset {wildcards.subset} {params.selection} "
        "--embedder {params.embedder} --embeddings {params.embeddings} "
        "--chunks {params.chunks} {params.duplicates} --out {params.kept} "
        "--summary {output.summary} > {log} 2>&1"


def certified_test_sets(subset):
    """Return the test sets that a subset is measured against: its own, else all."""
    return STUDY.subset_test_sets(subset) or sorted(TEST_SETS)


rule certify_subset:
    input:
        summary=rules.select_subset.output.summary,
        kept=rules.select_subset.output.kept,
        pool=lambda wildcards: embeddings(
            STUDY.subset_embedder(wildcards.subset), "pool"
        ),
        reference=lambda wildcards: embeddings(
            STUDY.subset_embedder(wildcards.subset), "reference"
        ),
        tests=lambda wildcards: [
            embeddings(STUDY.subset_embedder(wildcards.subset), test_set)[0]
            for test_set in certified_test_sets(wildcards.subset)
        ],
    output:
        certificate=f"{SUBSET}/certificate.json",
        nearest=f"{SUBSET}/nearest.parquet",
        profile=f"{SUBSET}/profile.parquet",
    log:
        f"{RESULTS}/logs/certify_subset/{{subset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/certify_subset/{{subset}}.tsv"
    priority: BEFORE_TRAINING
    conda:
        "../envs/search.yaml"
    resources:
        device=COMPUTE.device,
        gpu=GPU,
    params:
        kept=lambda wildcards: f"{RESULTS}/subsets/{wildcards.subset}/kept",
        chunks=POOL_CHUNKS,
        pool=lambda wildcards: subset_embeddings(wildcards.subset, "pool"),
        reference=lambda wildcards: subset_embeddings(wildcards.subset, "reference"),
        reference_chunks=REFERENCE_CHUNKS,
        tests=lambda wildcards, input: [
            f"{name}={path}"
            for name, path in zip(certified_test_sets(wildcards.subset), input.tests)
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
        "> {log} 2>&1"
