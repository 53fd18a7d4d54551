# Tables, from result files alone. Those for people are CSV, Markdown and LaTeX; the others, CSV or
# parquet, hold what figures show, so that a figure is drawn again from the tables alone.
#
# Lists in the order of the config are functions of ``input``: those are not recorded, so that
# another order of subsets or test sets re-runs nothing. What is listed shows in the inputs.

import itertools

EVALUATIONS = f"{RESULTS}/evaluations"
SUMMARIES = expand(f"{RESULTS}/subsets/{{subset}}/summary.json", subset=SUBSETS)
REFERENCE_METADATA = metadata("reference")
BASELINE_NEAREST = f"{RESULTS}/subsets/{STUDY.figures.baseline}/nearest.parquet"
CERTIFICATES = expand(rules.certify_subset.output.certificate, subset=GAP_MATCHED)
# Similarities of one embedder: those of two do not compare.
SHOWN_SUBSETS = [
    STUDY.figures.baseline,
    *[name for name in GAP_MATCHED if STUDY.subset_embedder(name) == EMBEDDER],
]
# The paper's matching is audited; sweeps of rank and offset differ from it by degree, and training
# sets without the reference are of the same pool.
AUDITED = [
    name
    for name in GAP_MATCHED
    if STUDY.subsets[name].rank == 1
    and STUDY.subsets[name].offset == 0
    and STUDY.subsets[name].reference == 1
]
# Only a pool whose samples have classes and styles can be counted by them: the emoji's.
SENSITIVITY = list(
    dict.fromkeys(
        STUDY.subset_test_sets(name)[0]
        for name in GAP_MATCHED
        if isinstance(STUDY.pool.source, EmojiSource)
        and len(STUDY.subset_test_sets(name)) == 1
    )
)


def same_but_for_the_embedder():
    """Return the pairs of subsets of one definition that different embedders select."""
    alike = {}
    for name, subset in STUDY.subsets.items():
        if STUDY.subset_test_sets(name):
            fields = subset.model_dump(exclude={"embedder", "test_sets"})
            definition = (*fields.items(), *STUDY.subset_test_sets(name))
            alike.setdefault(definition, {})[STUDY.subset_embedder(name)] = name
    return [
        pair
        for by_embedder in alike.values()
        for pair in itertools.combinations(by_embedder.values(), 2)
    ]


AGREEMENT = same_but_for_the_embedder()
COMPARED = list(dict.fromkeys(itertools.chain(*AGREEMENT)))
TABLES = [
    "table1",
    "accuracy",
    "differences",
    "subsets",
    "duplicates",
    "embedders",
    *(["agreement"] if AGREEMENT else []),
    *[f"audit_{subset}" for subset in AUDITED],
    *(["pruned"] if isinstance(STUDY.pool.source, EmojiSource) else []),
]


def evaluations(subsets):
    """Return the evaluations of the models of these subsets: subset by subset, seed by seed."""
    return expand(
        rules.evaluate_zero_shot.output.summary,
        subset=subsets,
        seed=STUDY.training.seeds,
        test_set=TEST_SETS,
    )


def models(subsets):
    """Return the folders of the evaluations of the models of these subsets."""
    return [
        f"{subset}/seed{seed}" for subset in subsets for seed in STUDY.training.seeds
    ]


def predictions(subsets):
    """Return the per-image predictions that stand beside the evaluations."""
    return [path.removesuffix(".json") + ".parquet" for path in evaluations(subsets)]


def table_files(*names):
    """Return the files of tables for people by name."""
    return expand(
        f"{RESULTS}/tables/{{name}}.{{suffix}}", name=names, suffix=("csv", "md", "tex")
    )


def table(name):
    """Return a table's files; the CSV goes into Snakemake's report."""
    stem = f"{RESULTS}/tables/{name}"
    caption = f"../resources/captions/table_{re.sub('^audit_.*', 'audit', name)}.rst"
    shown = report(
        f"{stem}.csv", caption=caption, category="Tables", labels={"table": name}
    )
    return [shown, f"{stem}.md", f"{stem}.tex"]


def reference_shares():
    """Return tabulate_subsets.py's option for subsets that take a part of the reference."""
    shares = [
        f"{name}={STUDY.subsets[name].reference}"
        for name in sorted(SUBSETS)
        if STUDY.subsets[name].reference < 1
    ]
    return f"--reference-shares {' '.join(shares)}" if shares else ""


rule tabulate_accuracy:
    input:
        evaluations=evaluations(SUBSETS)
        + classifier_evaluations(rules.evaluate_classifier.output.summary),
        predictions=predictions(SUBSETS)
        + classifier_evaluations(rules.evaluate_classifier.output.predictions),
        caption=f"{CAPTIONS}/table_accuracy.rst",
    output:
        table("accuracy"),
    log:
        f"{RESULTS}/logs/tabulate_accuracy.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_accuracy.tsv"
    conda:
        "../envs/report.yaml"
    params:
        evaluations=EVALUATIONS,
        models=lambda _, input: [
            *models(SUBSETS),
            *[f"{classifier}/pretrained" for classifier in STUDY.classifiers],
        ],
        test_sets=lambda _, input: TEST_SETS,
        out=f"{RESULTS}/tables/accuracy",
    message:
        "Table of accuracy"
    shell:
        "python {SCRIPTS}/tabulate_accuracy.py --evaluations {params.evaluations} "
        "--models {params.models} --test-sets {params.test_sets} "
        "--caption {input.caption} --out {params.out} > {log} 2>&1"


rule tabulate_differences:
    input:
        evaluations=evaluations(SUBSETS),
        predictions=predictions(SUBSETS),
        caption=f"{CAPTIONS}/table_differences.rst",
    output:
        table("differences"),
    log:
        f"{RESULTS}/logs/tabulate_differences.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_differences.tsv"
    conda:
        "../envs/report.yaml"
    params:
        evaluations=EVALUATIONS,
        models=lambda _, input: models(SUBSETS),
        test_sets=lambda _, input: TEST_SETS,
        sets=options(
            baseline=STUDY.figures.baseline,
            reference_only=STUDY.figures.reference_only,
        ),
        out=f"{RESULTS}/tables/differences",
    message:
        "Table of differences to the baseline"
    shell:
        "python {SCRIPTS}/tabulate_differences.py --evaluations {params.evaluations} "
        "--models {params.models} --test-sets {params.test_sets} {params.sets} "
        "--caption {input.caption} --out {params.out} > {log} 2>&1"


rule tabulate_subsets:
    input:
        summaries=SUMMARIES,
        certificates=CERTIFICATES,
        reference=REFERENCE_METADATA,
        caption=f"{CAPTIONS}/table_subsets.rst",
    output:
        table("subsets"),
    log:
        f"{RESULTS}/logs/tabulate_subsets.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_subsets.tsv"
    conda:
        "../envs/report.yaml"
    params:
        shares=reference_shares(),
        out=f"{RESULTS}/tables/subsets",
    message:
        "Table of subsets"
    shell:
        "python {SCRIPTS}/tabulate_subsets.py --summaries {input.summaries} "
        "--certificates {input.certificates} --reference-metadata {input.reference} "
        "{params.shares} --caption {input.caption} --out {params.out} > {log} 2>&1"


rule tabulate_table1:
    input:
        accuracy=f"{RESULTS}/tables/accuracy.csv",
        subsets=f"{RESULTS}/tables/subsets.csv",
        published=STUDY.figures.published or [],
        caption=f"{CAPTIONS}/table_table1.rst",
    output:
        table("table1"),
    log:
        f"{RESULTS}/logs/tabulate_table1.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_table1.tsv"
    conda:
        "../envs/report.yaml"
    params:
        published=lambda _, input: (
            options(published=input.published) if input.published else ""
        ),
        out=f"{RESULTS}/tables/table1",
    message:
        "Table 1"
    shell:
        "python {SCRIPTS}/tabulate_table1.py --accuracy {input.accuracy} --subsets {input.subsets} "
        "{params.published} --caption {input.caption} --out {params.out} > {log} 2>&1"


rule tabulate_duplicates:
    input:
        nearest=BASELINE_NEAREST,
        caption=f"{CAPTIONS}/table_duplicates.rst",
    output:
        table("duplicates"),
    log:
        f"{RESULTS}/logs/tabulate_duplicates.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_duplicates.tsv"
    conda:
        "../envs/report.yaml"
    params:
        threshold=STUDY.figures.duplicate_similarity,
        out=f"{RESULTS}/tables/duplicates",
    message:
        "Table of test images with duplicates"
    shell:
        "python {SCRIPTS}/tabulate_duplicates.py --nearest {input.nearest} "
        "--threshold {params.threshold} --caption {input.caption} --out {params.out} > {log} 2>&1"


# What is searched: all test sets with the embedder of the search, and what subsets of another need.
SEARCHED = list(
    dict.fromkeys(
        [
            *[(EMBEDDER, test_set) for test_set in TEST_SETS],
            *[
                (STUDY.subset_embedder(name), test_set)
                for name in SUBSETS
                for test_set in STUDY.subset_test_sets(name)
            ],
        ]
    )
)


rule tabulate_embedders:
    input:
        neighbours=[
            f"{RESULTS}/similarity/{embedder}/{test_set}/reference_neighbours.parquet"
            for embedder, test_set in SEARCHED
        ],
        embeddings=[
            path
            for embedder, test_set in SEARCHED
            for dataset in (test_set, "reference")
            for path in embeddings(embedder, dataset)
        ],
        data=[
            folder for dataset in ("reference", *TEST_SETS) for folder in data(dataset)
        ],
        caption=f"{CAPTIONS}/table_embedders.rst",
    output:
        table("embedders"),
    log:
        f"{RESULTS}/logs/tabulate_embedders.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_embedders.tsv"
    conda:
        "../envs/report.yaml"
    params:
        searched=lambda _, input: [
            f"{embedder}={test_set}" for embedder, test_set in SEARCHED
        ],
        folders=options(
            data=f"{RESULTS}/data",
            embeddings=f"{RESULTS}/embeddings",
            similarity=f"{RESULTS}/similarity",
        ),
        reference_chunks=REFERENCE_CHUNKS,
        out=f"{RESULTS}/tables/embedders",
    message:
        "Table of embedders"
    shell:
        "python {SCRIPTS}/tabulate_embedders.py --searched {params.searched} {params.folders} "
        "--reference-chunks {params.reference_chunks} --caption {input.caption} "
        "--out {params.out} > {log} 2>&1"


def named(subset, paths):
    """Return NAME=PATH of each test set of a subset."""
    return [
        f"{name}={path}" for name, path in zip(STUDY.subset_test_sets(subset), paths)
    ]


rule tabulate_audit:
    input:
        margins=lambda wildcards: subset_margins(wildcards.subset),
        kept=expand(KEPT, chunk=POOL_CHUNKS, allow_missing=True),
        whole_pool=expand(KEPT, subset=STUDY.figures.baseline, chunk=POOL_CHUNKS),
        pool_data=data("pool"),
        pool_metadata=metadata("pool"),
        test_data=lambda wildcards: [
            data(name)[0] for name in STUDY.subset_test_sets(wildcards.subset)
        ],
        test_metadata=lambda wildcards: [
            metadata(name)[0] for name in STUDY.subset_test_sets(wildcards.subset)
        ],
        caption=f"{CAPTIONS}/table_audit.rst",
    output:
        table("audit_{subset}"),
        pictures=f"{RESULTS}/tables/audit_{{subset}}.parquet",
    log:
        f"{RESULTS}/logs/tabulate_audit/{{subset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_audit/{{subset}}.tsv"
    conda:
        "../envs/report.yaml"
    params:
        search=lambda wildcards: options(
            similarity=subset_similarity(wildcards.subset),
            rank=STUDY.subsets[wildcards.subset].rank,
            kept=f"{RESULTS}/subsets/{wildcards.subset}/kept",
            whole_pool=f"{RESULTS}/subsets/{STUDY.figures.baseline}/kept",
            classes=STUDY.figures.examples,
        ),
        pool_chunks=lambda _, input: [
            f"{folder}/chunk.json" for folder in input.pool_data
        ],
        test_chunks=lambda wildcards, input: named(
            wildcards.subset, [f"{folder}/chunk.json" for folder in input.test_data]
        ),
        test_metadata=lambda wildcards, input: named(
            wildcards.subset, input.test_metadata
        ),
        out=lambda wildcards: f"{RESULTS}/tables/audit_{wildcards.subset}",
    message:
        "Auditing what {wildcards.subset} prunes"
    shell:
        "python {SCRIPTS}/tabulate_audit.py {params.search} --pool-chunks {params.pool_chunks} "
        "--pool-metadata {input.pool_metadata} --test-chunks {params.test_chunks} "
        "--test-metadata {params.test_metadata} --caption {input.caption} "
        "--pictures {output.pictures} --out {params.out} > {log} 2>&1"


rule tabulate_agreement:
    input:
        summaries=expand(f"{RESULTS}/subsets/{{subset}}/summary.json", subset=COMPARED),
        margins=[path for name in COMPARED for path in subset_margins(name)],
        kept=expand(KEPT, subset=[*COMPARED, STUDY.figures.baseline], chunk=POOL_CHUNKS),
        caption=f"{CAPTIONS}/table_agreement.rst",
    output:
        table("agreement"),
    log:
        f"{RESULTS}/logs/tabulate_agreement.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_agreement.tsv"
    conda:
        "../envs/report.yaml"
    params:
        pairs=lambda _, input: [f"{one}={other}" for one, other in AGREEMENT],
        folders=options(
            subsets=f"{RESULTS}/subsets",
            similarity=f"{RESULTS}/similarity",
            whole_pool=STUDY.figures.baseline,
        ),
        chunks=POOL_CHUNKS,
        out=f"{RESULTS}/tables/agreement",
    message:
        "Table of the agreement of embedders"
    shell:
        "python {SCRIPTS}/tabulate_agreement.py --pairs {params.pairs} "
        "--summaries {input.summaries} {params.folders} --chunks {params.chunks} "
        "--caption {input.caption} --out {params.out} > {log} 2>&1"


rule tabulate_pruned:
    input:
        metadata=metadata("pool"),
        kept=expand(KEPT, subset=SUBSETS, chunk=POOL_CHUNKS),
        tests=[folder for test_set in TEST_SETS for folder in data(test_set)],
        caption=f"{CAPTIONS}/table_pruned.rst",
    output:
        table("pruned"),
    log:
        f"{RESULTS}/logs/tabulate_pruned.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_pruned.tsv"
    conda:
        "../envs/report.yaml"
    params:
        kept=lambda _, input: [
            f"{subset}={RESULTS}/subsets/{subset}/kept" for subset in SUBSETS
        ],
        pool=STUDY.figures.baseline,
        tests=lambda _, input: [f"{folder}/chunk.json" for folder in input.tests],
        out=f"{RESULTS}/tables/pruned",
    message:
        "Table of what was pruned"
    shell:
        "python {SCRIPTS}/tabulate_pruned.py --metadata {input.metadata} --kept {params.kept} "
        "--pool {params.pool} --test-chunks {params.tests} --caption {input.caption} "
        "--out {params.out} > {log} 2>&1"


rule tabulate_similarity:
    input:
        summaries=expand(
            f"{RESULTS}/subsets/{{subset}}/summary.json", subset=SHOWN_SUBSETS
        ),
        nearest=expand(rules.certify_subset.output.nearest, subset=SHOWN_SUBSETS),
    output:
        gap=f"{RESULTS}/tables/similarity_gap.csv",
        pruned=f"{RESULTS}/tables/similarity_pruned.csv",
    log:
        f"{RESULTS}/logs/tabulate_similarity.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_similarity.tsv"
    conda:
        "../envs/report.yaml"
    params:
        nearest=lambda _, input: [
            f"{subset}={path}" for subset, path in zip(SHOWN_SUBSETS, input.nearest)
        ],
    message:
        "Histograms of nearest-neighbour similarity"
    shell:
        "python {SCRIPTS}/tabulate_similarity.py --summaries {input.summaries} "
        "--nearest {params.nearest} --out-gap {output.gap} --out-pruned {output.pruned} "
        "> {log} 2>&1"


rule tabulate_profile:
    input:
        expand(rules.certify_subset.output.profile, subset=SHOWN_SUBSETS),
    output:
        f"{RESULTS}/tables/profile.csv",
    log:
        f"{RESULTS}/logs/tabulate_profile.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_profile.tsv"
    conda:
        "../envs/report.yaml"
    params:
        profiles=lambda _, input: [
            f"{subset}={path}" for subset, path in zip(SHOWN_SUBSETS, input)
        ],
    message:
        "Similarity profiles before and after pruning"
    shell:
        "python {SCRIPTS}/tabulate_profile.py --profiles {params.profiles} --out {output} > {log} 2>&1"


rule tabulate_accuracy_by_similarity:
    input:
        evaluations=evaluations(SHOWN_SUBSETS),
        predictions=predictions(SHOWN_SUBSETS),
        nearest=BASELINE_NEAREST,
    output:
        f"{RESULTS}/tables/accuracy_by_similarity.csv",
    log:
        f"{RESULTS}/logs/tabulate_accuracy_by_similarity.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_accuracy_by_similarity.tsv"
    conda:
        "../envs/report.yaml"
    params:
        evaluations=EVALUATIONS,
        models=lambda _, input: models(SHOWN_SUBSETS),
        test_sets=lambda _, input: TEST_SETS,
    message:
        "Accuracy by similarity"
    shell:
        "python {SCRIPTS}/tabulate_accuracy_by_similarity.py --evaluations {params.evaluations} "
        "--models {params.models} --test-sets {params.test_sets} "
        "--nearest {input.nearest} --out {output} > {log} 2>&1"


rule tabulate_sensitivity:
    input:
        tests=lambda wildcards: embeddings(EMBEDDER, wildcards.test_set),
        reference=embeddings(EMBEDDER, "reference"),
        pool=embeddings(EMBEDDER, "pool"),
        kept=expand(KEPT, subset=STUDY.figures.baseline, chunk=POOL_CHUNKS),
    output:
        f"{RESULTS}/tables/sensitivity_{{test_set}}.csv",
    log:
        f"{RESULTS}/logs/tabulate_sensitivity/{{test_set}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_sensitivity/{{test_set}}.tsv"
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
        reference=f"{RESULTS}/embeddings/{EMBEDDER}/reference",
        reference_chunks=REFERENCE_CHUNKS,
        pool=f"{RESULTS}/embeddings/{EMBEDDER}/pool",
        pool_chunks=POOL_CHUNKS,
        kept=f"{RESULTS}/subsets/{STUDY.figures.baseline}/kept",
        seed=STUDY.figures.seed,
    message:
        "Sensitivity to what the reference holds"
    shell:
        "python {SCRIPTS}/tabulate_sensitivity.py "
        "--tests {input.tests[0]} --test-metadata {input.tests[1]} "
        "--reference {params.reference} --reference-chunks {params.reference_chunks} "
        "--pool {params.pool} --pool-chunks {params.pool_chunks} --kept {params.kept} "
        "--seed {params.seed} --out {output} " + ENGINE_OPTIONS + "> {log} 2>&1"


rule tabulate_neighbours:
    input:
        test_data=lambda wildcards: data(wildcards.test_set),
        pool_data=data("pool"),
        reference_data=data("reference"),
        test_metadata=lambda wildcards: metadata(wildcards.test_set),
        pool_metadata=metadata("pool"),
        reference_metadata=REFERENCE_METADATA,
        pool_neighbours=f"{RESULTS}/similarity/{EMBEDDER}/{{test_set}}/pool_neighbours.parquet",
        reference_neighbours=(
            f"{RESULTS}/similarity/{EMBEDDER}/{{test_set}}/reference_neighbours.parquet"
        ),
    output:
        f"{RESULTS}/tables/neighbours_{{test_set}}.parquet",
    log:
        f"{RESULTS}/logs/tabulate_neighbours/{{test_set}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_neighbours/{{test_set}}.tsv"
    conda:
        "../envs/report.yaml"
    params:
        test_chunks=lambda _, input: [
            f"{folder}/chunk.json" for folder in input.test_data
        ],
        pool_chunks=lambda _, input: [
            f"{folder}/chunk.json" for folder in input.pool_data
        ],
        reference_chunks=lambda _, input: [
            f"{folder}/chunk.json" for folder in input.reference_data
        ],
        settings=lambda _: options(
            images=STUDY.figures.examples,
            neighbours=STUDY.figures.neighbours,
            seed=STUDY.figures.seed,
        ),
    message:
        "Neighbours of {wildcards.test_set}"
    shell:
        "python {SCRIPTS}/tabulate_neighbours.py "
        "--test-chunks {params.test_chunks} --test-metadata {input.test_metadata} "
        "--pool-chunks {params.pool_chunks} --pool-metadata {input.pool_metadata} "
        "--pool-neighbours {input.pool_neighbours} "
        "--reference-chunks {params.reference_chunks} "
        "--reference-metadata {input.reference_metadata} "
        "--reference-neighbours {input.reference_neighbours} {params.settings} "
        "--out {output} > {log} 2>&1"
