# Tables, figures and the report, from result files alone.
#
# Lists in the order of the config are functions of ``input``: those are not recorded, so that
# another order of subsets or test sets re-runs nothing. What is listed shows in the inputs.

SUMMARIES = expand(f"{RESULTS}/subsets/{{subset}}/summary.json", subset=SUBSETS)
REFERENCE_METADATA = metadata("reference")
BASELINE_NEAREST = f"{RESULTS}/subsets/{STUDY.figures.baseline}/nearest.parquet"
CERTIFICATES = expand(rules.certify.output.certificate, subset=GAP_MATCHED)
SHOWN_SUBSETS = [STUDY.figures.baseline, *GAP_MATCHED]
TABLES = ["accuracy", "subsets", "pruned"]
# Only a pool whose samples have classes and styles can be counted by them: the emoji's.
SENSITIVITY = [
    STUDY.subset_test_sets(name)[0]
    for name in GAP_MATCHED
    if isinstance(STUDY.pool.source, EmojiSource)
    and len(STUDY.subset_test_sets(name)) == 1
]
FIGURES = [
    "similarity_gap",
    "similarity_pruned",
    "accuracy_by_similarity",
    "accuracy_by_size",
    "effective_robustness",
    "pruned",
    *[f"sensitivity_{test_set}" for test_set in dict.fromkeys(SENSITIVITY)],
    *[f"neighbours_{test_set}" for test_set in TEST_SETS],
]
FIGURE_CAPTIONS = list(
    dict.fromkeys(
        re.sub(r"^(neighbours|sensitivity)_.*", r"\1", name) for name in FIGURES
    )
)


def evaluations(subsets):
    """Return the evaluations of the models of these subsets: subset by subset, seed by seed."""
    return expand(
        rules.evaluate.output.summary,
        subset=subsets,
        seed=STUDY.training.seeds,
        test_set=TEST_SETS,
    )


def predictions(subsets):
    """Return the per-image predictions that stand beside the evaluations."""
    return [path.removesuffix(".json") + ".parquet" for path in evaluations(subsets)]


def figure(name, caption, **labels):
    """Return a figure's files; the PNG goes into Snakemake's report."""
    stem = f"{RESULTS}/figures/{name}"
    caption = f"../resources/captions/{caption}.rst"
    shown = report(f"{stem}.png", caption=caption, category="Figures", labels=labels)
    return [shown, f"{stem}.pdf", f"{stem}.csv"]


def table(name):
    """Return a table's files; the CSV goes into Snakemake's report."""
    stem = f"{RESULTS}/tables/{name}"
    caption = f"../resources/captions/table_{name}.rst"
    shown = report(
        f"{stem}.csv", caption=caption, category="Tables", labels={"table": name}
    )
    return [shown, f"{stem}.md", f"{stem}.tex"]


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
        out=f"{RESULTS}/tables/accuracy",
    message:
        "Table of accuracy"
    shell:
        "python {SCRIPTS}/tabulate_accuracy.py --evaluations {input.evaluations} "
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
        out=f"{RESULTS}/tables/subsets",
    message:
        "Table of subsets"
    shell:
        "python {SCRIPTS}/tabulate_subsets.py --summaries {input.summaries} "
        "--certificates {input.certificates} --reference-metadata {input.reference} "
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


rule plot_pruned:
    input:
        f"{RESULTS}/tables/pruned.csv",
    output:
        figure("pruned", "pruned", figure="what was pruned"),
    log:
        f"{RESULTS}/logs/plot_pruned.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_pruned.tsv"
    conda:
        "../envs/report.yaml"
    params:
        out=f"{RESULTS}/figures/pruned",
    message:
        "Figure of what was pruned"
    shell:
        "python {SCRIPTS}/plot_pruned.py --pruned {input} --out {params.out} > {log} 2>&1"


rule plot_similarity:
    input:
        summaries=expand(
            f"{RESULTS}/subsets/{{subset}}/summary.json", subset=SHOWN_SUBSETS
        ),
        nearest=expand(rules.certify.output.nearest, subset=SHOWN_SUBSETS),
    output:
        gap=figure("similarity_gap", "similarity_gap", figure="similarity gap"),
        pruned=figure(
            "similarity_pruned", "similarity_pruned", figure="similarity after pruning"
        ),
    log:
        f"{RESULTS}/logs/plot_similarity.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_similarity.tsv"
    conda:
        "../envs/report.yaml"
    params:
        nearest=lambda _, input: [
            f"{subset}={path}" for subset, path in zip(SHOWN_SUBSETS, input.nearest)
        ],
        out=f"{RESULTS}/figures",
    message:
        "Figures of nearest-neighbour similarity"
    shell:
        "python {SCRIPTS}/plot_similarity.py --summaries {input.summaries} "
        "--nearest {params.nearest} --out-gap {params.out}/similarity_gap "
        "--out-pruned {params.out}/similarity_pruned > {log} 2>&1"


rule plot_accuracy_by_similarity:
    input:
        evaluations=evaluations(SHOWN_SUBSETS),
        predictions=predictions(SHOWN_SUBSETS),
        nearest=BASELINE_NEAREST,
        summaries=SUMMARIES,
    output:
        figure(
            "accuracy_by_similarity",
            "accuracy_by_similarity",
            figure="accuracy by similarity",
        ),
    log:
        f"{RESULTS}/logs/plot_accuracy_by_similarity.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_accuracy_by_similarity.tsv"
    conda:
        "../envs/report.yaml"
    params:
        out=f"{RESULTS}/figures/accuracy_by_similarity",
    message:
        "Figure of accuracy by similarity"
    shell:
        "python {SCRIPTS}/plot_accuracy_by_similarity.py --evaluations {input.evaluations} "
        "--nearest {input.nearest} --summaries {input.summaries} --out {params.out} > {log} 2>&1"


rule plot_accuracy_by_size:
    input:
        accuracy=f"{RESULTS}/tables/accuracy.csv",
        summaries=SUMMARIES,
        reference=REFERENCE_METADATA,
    output:
        figure("accuracy_by_size", "accuracy_by_size", figure="accuracy by size"),
    log:
        f"{RESULTS}/logs/plot_accuracy_by_size.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_accuracy_by_size.tsv"
    conda:
        "../envs/report.yaml"
    params:
        out=f"{RESULTS}/figures/accuracy_by_size",
    message:
        "Figure of accuracy by training-set size"
    shell:
        "python {SCRIPTS}/plot_accuracy_by_size.py --accuracy {input.accuracy} "
        "--summaries {input.summaries} --reference-metadata {input.reference} "
        "--out {params.out} > {log} 2>&1"


rule plot_effective_robustness:
    input:
        accuracy=f"{RESULTS}/tables/accuracy.csv",
        summaries=SUMMARIES,
    output:
        figure(
            "effective_robustness",
            "effective_robustness",
            figure="effective robustness",
        ),
    log:
        f"{RESULTS}/logs/plot_effective_robustness.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_effective_robustness.tsv"
    conda:
        "../envs/report.yaml"
    params:
        id_test_set=STUDY.figures.id_test_set,
        # What is listed shows in the accuracies.
        classifiers=lambda _, input: list(STUDY.classifiers),
        out=f"{RESULTS}/figures/effective_robustness",
    message:
        "Figure of effective robustness"
    shell:
        "python {SCRIPTS}/plot_effective_robustness.py --accuracy {input.accuracy} "
        "--summaries {input.summaries} --id-test-set {params.id_test_set} "
        "--classifiers {params.classifiers} --out {params.out} > {log} 2>&1"


rule plot_sensitivity:
    input:
        tests=lambda wildcards: embeddings(EMBEDDER, wildcards.test_set),
        reference=embeddings(EMBEDDER, "reference"),
        pool=embeddings(EMBEDDER, "pool"),
        kept=expand(KEPT, subset=STUDY.figures.baseline, chunk=POOL_CHUNKS),
    output:
        figure(
            "sensitivity_{test_set}",
            "sensitivity",
            figure="sensitivity to the reference",
        ),
    log:
        f"{RESULTS}/logs/plot_sensitivity/{{test_set}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_sensitivity/{{test_set}}.tsv"
    conda:
        "../envs/sensitivity.yaml"
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
        out=lambda wildcards: f"{RESULTS}/figures/sensitivity_{wildcards.test_set}",
    message:
        "Figure of the sensitivity to what the reference holds"
    shell:
        "python {SCRIPTS}/plot_sensitivity.py --test-set {wildcards.test_set} "
        "--tests {input.tests[0]} --test-metadata {input.tests[1]} "
        "--reference {params.reference} --reference-chunks {params.reference_chunks} "
        "--pool {params.pool} --pool-chunks {params.pool_chunks} --kept {params.kept} "
        "--seed {params.seed} --out {params.out} " + ENGINE_OPTIONS + "> {log} 2>&1"


rule plot_neighbours:
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
        figure("neighbours_{test_set}", "neighbours", figure="neighbours of {test_set}"),
    log:
        f"{RESULTS}/logs/plot_neighbours/{{test_set}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_neighbours/{{test_set}}.tsv"
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
            credit=STUDY.figures.credit,
        ),
        out=lambda wildcards: f"{RESULTS}/figures/neighbours_{wildcards.test_set}",
    message:
        "Figure of the neighbours of {wildcards.test_set}"
    shell:
        "python {SCRIPTS}/plot_neighbours.py --test-set {wildcards.test_set} "
        "--test-chunks {params.test_chunks} --test-metadata {input.test_metadata} "
        "--pool-chunks {params.pool_chunks} --pool-metadata {input.pool_metadata} "
        "--pool-neighbours {input.pool_neighbours} "
        "--reference-chunks {params.reference_chunks} "
        "--reference-metadata {input.reference_metadata} "
        "--reference-neighbours {input.reference_neighbours} {params.settings} "
        "--out {params.out} > {log} 2>&1"


DATASETS = ["pool", "reference", *TEST_SETS]


rule write_report:
    input:
        summaries=SUMMARIES,
        certificates=CERTIFICATES,
        accuracy=f"{RESULTS}/tables/accuracy.csv",
        tables=expand(f"{RESULTS}/tables/{{name}}.csv", name=TABLES),
        figures=expand(f"{RESULTS}/figures/{{name}}.png", name=FIGURES),
        data=[folder for dataset in DATASETS for folder in data(dataset)],
        metadata=[path for dataset in DATASETS for path in metadata(dataset)],
        template=f"{RESOURCES}/report.html.j2",
        captions=expand(
            f"{CAPTIONS}/{{name}}.rst",
            name=[f"table_{name}" for name in TABLES] + FIGURE_CAPTIONS,
        ),
    output:
        REPORT,
    log:
        f"{RESULTS}/logs/write_report.log",
    benchmark:
        f"{RESULTS}/benchmarks/write_report.tsv"
    conda:
        "../envs/report.yaml"
    params:
        study=STUDY.study,
        config=f"{RESULTS}/config.json",
        captions=CAPTIONS,
        baseline=STUDY.figures.baseline,
        gap_matched=lambda _, input: GAP_MATCHED,
        reference_only=STUDY.figures.reference_only,
        chunks=lambda _, input: [f"{folder}/chunk.json" for folder in input.data],
        tables=[f"{RESULTS}/tables/{name}" for name in TABLES],
        figures=lambda _, input: [path.removesuffix(".png") for path in input.figures],
        embeddings=lambda _, input: [
            f"{dataset}={RESULTS}/embeddings/{EMBEDDER}/{dataset}"
            for dataset in DATASETS
        ],
    message:
        "Writing the report"
    shell:
        "python {SCRIPTS}/write_report.py --study {params.study} --config {params.config} "
        "--commit $(git -C {SCRIPTS} rev-parse HEAD || echo unknown) "
        "--accuracy {input.accuracy} --template {input.template} --captions {params.captions} "
        "--sets {params.baseline} {params.gap_matched} {params.reference_only} "
        "--summaries {input.summaries} "
        "--certificates {input.certificates} --chunks {params.chunks} "
        "--embeddings {params.embeddings} --tables {params.tables} --figures {params.figures} "
        "--out {output} > {log} 2>&1"
