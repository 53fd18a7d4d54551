# The human check of the similarity metric: trials, the page that shows them, and what embedders find.

PAGE_FILES = f"{RESOURCES}/human_check"
# Where the images of trials are.
TRIAL_IMAGES = options(
    {
        "data": f"{RESULTS}/data",
        "metadata": f"{RESULTS}/embeddings/{EMBEDDER}",
        "pool_chunks": POOL_CHUNKS,
        "reference_chunks": REFERENCE_CHUNKS,
        "test_sets": sorted(TEST_SETS),
    }
)


rule human_check:
    input:
        HUMAN_CHECK,


if STUDY.human_check:

    rule choose_trials:
        input:
            [
                neighbours(EMBEDDER, test_set)
                for test_set in TEST_SETS
                for neighbours in (FILES.pool_neighbours, FILES.reference_neighbours)
            ],
            [
                path
                for dataset in ("reference", *TEST_SETS)
                for path in FILES.embeddings(EMBEDDER, dataset)
            ],
        output:
            FILES.trials,
        log:
            logged("choose_trials"),
        benchmark:
            benchmarked("choose_trials")
        conda:
            "../envs/report.yaml"
        params:
            settings=options(
                {
                    "study": STUDY.study,
                    "similarity": FILES.similarity(EMBEDDER),
                    "embeddings": f"{RESULTS}/embeddings/{EMBEDDER}",
                    "test_sets": sorted(TEST_SETS),
                    "reference_chunks": REFERENCE_CHUNKS,
                    "trials": STUDY.human_check.trials,
                    "seed": STUDY.human_check.seed,
                }
            ),
        message:
            "Choosing the trials of the human check"
        shell:
            "python {SCRIPTS}/choose_trials.py {params.settings} --out {output} > {log} 2>&1"

    rule write_human_check:
        input:
            images=[
                path
                for dataset in DATASETS
                for path in FILES.data(dataset) + FILES.metadata(dataset)
            ],
            trials=rules.choose_trials.output,
            template=f"{PAGE_FILES}/page.html.j2",
            style=f"{PAGE_FILES}/page.css",
            script=f"{PAGE_FILES}/page.js",
        output:
            HUMAN_CHECK,
        log:
            logged("write_human_check"),
        benchmark:
            benchmarked("write_human_check")
        conda:
            "../envs/report.yaml"
        params:
            images=TRIAL_IMAGES,
        message:
            "Writing the page of the human check"
        shell:
            "python {SCRIPTS}/write_human_check.py --trials {input.trials} {params.images} "
            "--template {input.template} --out {output} > {log} 2>&1"

    rule embed_trials:
        input:
            images=rules.write_human_check.input.images,
            trials=rules.choose_trials.output,
            weights=embedder_weights,
            definition=embedder_definition,
        output:
            FILES.trial_similarity("{embedder}"),
        log:
            logged("embed_trials", "{embedder}"),
        benchmark:
            benchmarked("embed_trials", "{embedder}")
        conda:
            "../envs/embed.yaml"
        resources:
            device=COMPUTE.device,
            gpu=GPU,
            batch_size=COMPUTE.embedding_batch_size,
        params:
            images=TRIAL_IMAGES,
            embedder=embedder_options,
            checkpoint=checkpoint,
        message:
            "Embedding the images of the trials with {wildcards.embedder}"
        shell:
            "python {SCRIPTS}/embed_trials.py --trials {input.trials} {params.images} "
            "{params.embedder} {params.checkpoint} --device {resources.device} "
            "--batch-size {resources.batch_size} --out {output} > {log} 2>&1"
