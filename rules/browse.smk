# The browse page: test images, their neighbours, which subsets prune them, and what models answer.

BROWSED = FILES.browsed("{test_set}")
# Rank 1 always: the page shows the nearest reference image even if no subset is matched at that rank.
THRESHOLD_RANKS = sorted({1, *STUDY.search.ranks})


# Reading the images takes long, so what changes with subsets and models is a job of its own.
rule browse_pictures:
    input:
        lambda wildcards: neighbour_files(FILES, wildcards.test_set)[0],
    output:
        pictures=directory(BROWSED),
        table=f"{BROWSED}.parquet",
    log:
        logged("browse_pictures", "{test_set}"),
    benchmark:
        benchmarked("browse_pictures", "{test_set}")
    conda:
        "../envs/report.yaml"
    params:
        files=lambda wildcards, input: options(
            neighbour_files(FILES, wildcards.test_set)[1]
        ),
        settings=options(
            {
                "images": STUDY.figures.browse_images,
                "neighbours": STUDY.figures.neighbours,
                "seed": STUDY.figures.seed,
            }
        ),
    message:
        "Making thumbnails of {wildcards.test_set} for the browse page"
    shell:
        "python {SCRIPTS}/browse_pictures.py {params.files} {params.settings} "
        "--sheets-folder {output.pictures} --out {output.table} > {log} 2>&1"


rule browse_data:
    input:
        pictures=rules.browse_pictures.output.table,
        chunk=FILES.data("{test_set}"),
        reference=FILES.reference_neighbours(EMBEDDER, "{test_set}"),
        kept=[path for subset in SUBSETS for path in FILES.kept_files(subset)],
        evaluations=lambda wildcards: FILES.evaluated(
            FILES.models_on(wildcards.test_set), [wildcards.test_set]
        ),
    output:
        f"{BROWSED}.js",
    log:
        logged("browse_data", "{test_set}"),
    benchmark:
        benchmarked("browse_data", "{test_set}")
    conda:
        "../envs/report.yaml"
    params:
        subsets=f"{RESULTS}/subsets",
        evaluations=FILES.evaluations,
        ranks=THRESHOLD_RANKS,
        baseline=STUDY.figures.baseline,
        names=lambda wildcards, input: options(
            {
                "subset_names": SUBSETS,
                "models": FILES.models_on(wildcards.test_set),
            }
        ),
    message:
        "Collecting the answers on {wildcards.test_set} for the browse page"
    shell:
        "python {SCRIPTS}/browse_data.py --pictures {input.pictures} "
        "--chunk {input.chunk}/chunk.json --reference-neighbours {input.reference} "
        "--ranks {params.ranks} --subsets {params.subsets} --evaluations {params.evaluations} "
        "{params.names} --baseline {params.baseline} --test-set {wildcards.test_set} --out {output} > {log} 2>&1"


rule browse:
    input:
        summaries=map(FILES.summary, SUBSETS),
        data=expand(rules.browse_data.output, test_set=TEST_SETS),
        pictures=expand(rules.browse_pictures.output.pictures, test_set=TEST_SETS),
        resources=multiext(
            f"{RESOURCES}/browse/", "index.html.j2", "browse.js", "browse.css"
        ),
    output:
        page=FILES.browsed(),
        beside=multiext(f"{RESULTS}/browse/browse", ".js", ".css"),
    log:
        logged("browse"),
    benchmark:
        benchmarked("browse")
    conda:
        "../envs/report.yaml"
    params:
        # A function: text of the config may hold braces.
        settings=lambda wildcards: options(
            {
                "study": STUDY.study,
                "ranks": THRESHOLD_RANKS,
                "embedder": EMBEDDER,
                "neighbours": STUDY.figures.neighbours,
                "credit": STUDY.figures.credit,
            }
        ),
        resources=f"{RESOURCES}/browse",
        test_sets=lambda wildcards, input: TEST_SETS,
    message:
        "Writing the browse page"
    shell:
        "python {SCRIPTS}/browse.py {params.settings} --test-sets {params.test_sets} "
        "--summaries {input.summaries} --resources {params.resources} --out {output.page} "
        "> {log} 2>&1"


localrules:
    browse,
