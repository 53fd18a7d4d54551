# The report: every number, table and figure of the study in one file.

PAGE = f"{RESOURCES}/page.html.j2"  # what every page's template extends
DATASETS = ["pool", "reference", *TEST_SETS]


# Subsets that are as large as a gap-matched one: what its size alone does.
CONTROLS = [
    name
    for name in SUBSETS
    if getattr(STUDY.subsets[name], "keep", None) in GAP_MATCHED
]


rule write_report:
    input:
        summaries=SUMMARIES,
        certificates=CERTIFICATES,
        accuracy=f"{RESULTS}/tables/accuracy.csv",
        differences=f"{RESULTS}/tables/differences.csv",
        embedders=f"{RESULTS}/tables/embedders.csv",
        tables=expand(f"{RESULTS}/tables/{{name}}.csv", name=TABLES),
        figures=expand(f"{RESULTS}/figures/{{name}}.png", name=FIGURES),
        data=[folder for dataset in DATASETS for folder in data(dataset)],
        metadata=[path for dataset in DATASETS for path in metadata(dataset)],
        template=f"{RESOURCES}/report.html.j2",
        page=PAGE,
        captions=expand(
            f"{CAPTIONS}/{{name}}.rst",
            name=[f"table_{re.sub('^audit_.*', 'audit', name)}" for name in TABLES]
            + FIGURE_CAPTIONS,
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
        controls=lambda _, input: CONTROLS,
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
        "--accuracy {input.accuracy} --differences {input.differences} "
        "--embedders {input.embedders} "
        "--template {input.template} --captions {params.captions} "
        "--sets {params.baseline} {params.gap_matched} {params.controls} {params.reference_only} "
        "--summaries {input.summaries} "
        "--certificates {input.certificates} --chunks {params.chunks} "
        "--embeddings {params.embeddings} --tables {params.tables} --figures {params.figures} "
        "--out {output} > {log} 2>&1"
