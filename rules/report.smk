# The report: every number, table and figure of the study in one file.

# What every page extends, and what it includes.
PAGE = multiext(f"{RESOURCES}/page", ".html.j2", ".css")
# Subsets that are as large as a gap-matched one: what its size alone does. Where none is gap-matched, the
# headline is about all.
CONTROLS = [
    name
    for name in SUBSETS
    if (
        getattr(STUDY.subsets[name], "keep", None) in GAP_MATCHED
        or not GAP_MATCHED
        and name not in (STUDY.figures.baseline, STUDY.figures.reference_only)
    )
]


rule write_report:
    input:
        summaries=map(FILES.summary, SUBSETS),
        certificates=map(FILES.certificate, GAP_MATCHED),
        tables=[path for one in TABLES for path in one.files(FILES, ["csv", "json"])],
        figures=[path for one in FIGURES for path in one.files(FILES, ["png"])],
        data=[folder for dataset in DATASETS for folder in FILES.data(dataset)],
        metadata=[path for dataset in DATASETS for path in FILES.metadata(dataset)],
        template=f"{RESOURCES}/report.html.j2",
        script=f"{RESOURCES}/report.js",
        page=PAGE,
    output:
        REPORT,
    log:
        logged("write_report"),
    benchmark:
        benchmarked("write_report")
    conda:
        "../envs/report.yaml"
    params:
        study=STUDY.study,
        config=f"{RESULTS}/config.json",
        baseline=STUDY.figures.baseline,
        gap_matched=lambda _, input: list(GAP_MATCHED),
        controls=lambda _, input: CONTROLS,
        reference_only=STUDY.figures.reference_only,
        chunks=lambda _, input: [f"{folder}/chunk.json" for folder in input.data],
        embeddings=lambda _, input: options(
            {
                "embeddings": [
                    (dataset, FILES.embedded(EMBEDDER, dataset))
                    for dataset in DATASETS
                ]
            }
        ),
        shown=lambda _, input: options(
            {
                "tables": f"{RESULTS}/tables",
                "table_names": [name for one in TABLES for name in one.names(FILES)],
                "figures": f"{RESULTS}/figures",
                "figure_names": [name for one in FIGURES for name in one.names(FILES)],
            }
        ),
        # The report shows them: a changed one makes it again.
        captions=[figure.caption for figure in FIGURES],
    message:
        "Writing the report"
    shell:
        "python {SCRIPTS}/write_report.py --study {params.study} --config {params.config} "
        "--commit $(git -C {SCRIPTS} rev-parse HEAD || echo unknown) "
        "--template {input.template} "
        "--sets {params.baseline} {params.gap_matched} {params.controls} {params.reference_only} "
        "--summaries {input.summaries} --certificates {input.certificates} "
        "--chunks {params.chunks} {params.embeddings} {params.shown} --out {output} > {log} 2>&1"
