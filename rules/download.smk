# Every dataset becomes numbered chunks of webdataset shards: fetched, read from folders, or listed.

EMOJI = STUDY.emoji
RENDERED = Path(f"{RESULTS}/emoji")
DOWNLOAD = STUDY.download


def emoji_settings(part):
    """Return the settings of a part of the emoji study that other parts have not or differently."""
    if part == "pool":
        return {
            "variants": EMOJI.pool_variants,
            "chunks": STUDY.pool.chunks,
            "duplicates": EMOJI.duplicates,
            "near_duplicates": EMOJI.near_duplicates,
            "faults": EMOJI.faults,
        }
    if part == "reference":
        return {
            "variants": EMOJI.reference_variants,
            "drawing_variants": EMOJI.drawing_variants,
        }
    return {"variants": EMOJI.test_variants}


rule list_emoji:
    output:
        f"{RESULTS}/emoji.json",
    log:
        logged("list_emoji"),
    benchmark:
        benchmarked("list_emoji")
    priority: BEFORE_EMBEDDING
    conda:
        "../envs/emoji.yaml"
    message:
        "Listing the emoji that exist in all styles"
    shell:
        "python {SCRIPTS}/list_emoji.py --out {output} > {log} 2>&1"


rule render_emoji:
    input:
        rules.list_emoji.output,
    output:
        directory(f"{RESULTS}/emoji/{{part}}"),
    log:
        logged("render_emoji", "{part}"),
    benchmark:
        benchmarked("render_emoji", "{part}")
    priority: BEFORE_TRAINING
    conda:
        "../envs/emoji.yaml"
    # The other parts are small: a second process would hardly have started before they are done.
    threads: lambda wildcards: 2 if wildcards.part == "pool" else 1
    params:
        settings=lambda wildcards: options(
            {
                "seed": EMOJI.seed,
                "size": EMOJI.image_size,
                "pool_classes": EMOJI.pool_classes,
                "test_classes": EMOJI.test_classes,
                "drawing_classes": EMOJI.drawing_classes,
                **emoji_settings(wildcards.part),
            }
        ),
    message:
        "Rendering the emoji of {wildcards.part}"
    shell:
        "python {SCRIPTS}/render_emoji.py --emoji {input} --part {wildcards.part} {params.settings} "
        "--workers {threads} --out {output} > {log} 2>&1"


rule slice_urls:
    input:
        lambda _: STUDY.pool.source.path,
    output:
        f"{RESULTS}/urls/{{dataset}}/{{chunk}}.parquet",
    log:
        logged("slice_urls", "{dataset}/{chunk}"),
    benchmark:
        benchmarked("slice_urls", "{dataset}/{chunk}")
    wildcard_constraints:
        dataset=one_of(datasets_of("urls")),
    priority: BEFORE_TRAINING
    conda:
        "../envs/download.yaml"
    params:
        settings=lambda _: options(
            {
                "chunks": STUDY.pool.chunks,
                "url_column": STUDY.pool.source.url_column,
                "caption_column": STUDY.pool.source.caption_column,
            }
        ),
    message:
        "Taking the links of {wildcards.dataset} chunk {wildcards.chunk}"
    shell:
        "python {SCRIPTS}/slice_urls.py --urls {input:q} --chunk {wildcards.chunk} "
        "{params.settings} --out {output} > {log} 2>&1"


def links(wildcards):
    """Return what a download reads: a list of links, or the rendered crawl with its own."""
    if STUDY.pool.source.kind == "emoji":
        return rules.render_emoji.output[0].format(part=STUDY.pool.source.part)
    return rules.slice_urls.output[0]


def link_options(wildcards, input):
    """Return the options that name the links; the crawl is served by the job itself."""
    if STUDY.pool.source.kind == "emoji":
        return f"--urls {input}/urls_{wildcards.chunk}.parquet --site {input}"
    return f"--urls {input}"


rule download_chunk:
    input:
        links,
    output:
        directory(f"{RESULTS}/data/{{dataset}}/{{chunk}}"),
    log:
        logged("download_chunk", "{dataset}/{chunk}"),
    benchmark:
        benchmarked("download_chunk", "{dataset}/{chunk}")
    wildcard_constraints:
        dataset=one_of({*datasets_of("emoji"), *datasets_of("urls")} & {"pool"}),
    priority: BEFORE_EMBEDDING
    conda:
        "../envs/download.yaml"
    resources:
        processes=COMPUTE.download_processes,
        download_threads=COMPUTE.download_threads,
    params:
        links=link_options,
        settings=options(DOWNLOAD.model_dump()),
        state=lambda wildcards: f"{RESULTS}/state/download_chunk/{wildcards.dataset}/{wildcards.chunk}",
    message:
        "Downloading {wildcards.dataset} chunk {wildcards.chunk}"
    shell:
        "python {SCRIPTS}/download_chunk.py {params.links} --dataset {wildcards.dataset} "
        "--chunk {wildcards.chunk} {params.settings} "
        "--processes {resources.processes} --threads {resources.download_threads} "
        "--state {params.state} --out {output} > {log} 2>&1"


def ingested(wildcards):
    """Return the source that a dataset's chunks are made from."""
    return source(wildcards.dataset).within(RENDERED)


def ingest_inputs(wildcards):
    """Return the files that a source names, but for shards, of which there are too many."""
    origin = ingested(wildcards)
    if source(wildcards.dataset).kind == "emoji":
        return [origin.root]  # what is in it is known when it is rendered
    return [] if origin.kind == "shards" else [path for _, path in origin.paths()]


def ingest_options(wildcards):
    """Return the options of a dataset's source; only the reference is trained on, with captions."""
    origin, dataset = ingested(wildcards), wildcards.dataset
    packing = {
        "caption": STUDY.reference.caption if dataset == "reference" else "{class}",
        "samples_per_shard": DOWNLOAD.samples_per_shard,
    }
    return options(
        {
            **origin.model_dump(),
            "chunks": len(FILES.chunks(dataset)),
            **(packing if sources()[origin.kind].packs else {}),
        }
    )


# One rule for each source that needs no others.
for name, kind in sources().items():
    if kind.packs or kind.ingest:

        rule:
            name:
                f"ingest_{name}"
            input:
                ingest_inputs,
            output:
                directory(f"{RESULTS}/data/{{dataset}}/{{chunk}}"),
            log:
                logged(f"ingest_{name}", "{dataset}/{chunk}"),
            benchmark:
                benchmarked(f"ingest_{name}", "{dataset}/{chunk}")
            wildcard_constraints:
                dataset=one_of(
                    dataset
                    for dataset in DATASETS
                    if source(dataset).within(RENDERED).kind == name
                ),
            priority: BEFORE_TRAINING
            conda:
                f"../envs/{kind.environment}.yaml"
            resources:
                mem_mb=growing(4000),
                runtime=growing(240),
            params:
                kind=name,
                settings=ingest_options,
            message:
                "Packing {wildcards.dataset} chunk {wildcards.chunk} into shards"
                if kind.packs
                else "Listing the shards of {wildcards.dataset} chunk {wildcards.chunk}"
            shell:
                "python {SCRIPTS}/ingest.py {params.kind} {params.settings} "
                "--dataset {wildcards.dataset} --chunk {wildcards.chunk} --out {output} "
                "> {log} 2>&1"
