# Every dataset becomes numbered chunks of webdataset shards: fetched, read from folders, or listed.

EMOJI = STUDY.emoji
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
        dataset=one_of(datasets_from(UrlsSource)),
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
    if isinstance(STUDY.pool.source, EmojiSource):
        return rules.render_emoji.output[0].format(part=STUDY.pool.source.part)
    return rules.slice_urls.output[0]


def link_options(wildcards, input):
    """Return the options that name the links; the crawl is served by the job itself."""
    if isinstance(STUDY.pool.source, EmojiSource):
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
        dataset=one_of(set(datasets_from(EmojiSource, UrlsSource)) & {"pool"}),
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


rule list_shards:
    output:
        directory(f"{RESULTS}/data/{{dataset}}/{{chunk}}"),
    log:
        logged("list_shards", "{dataset}/{chunk}"),
    benchmark:
        benchmarked("list_shards", "{dataset}/{chunk}")
    wildcard_constraints:
        dataset=one_of(datasets_from(ShardsSource)),
    priority: BEFORE_TRAINING
    conda:
        "../envs/download.yaml"
    params:
        shards=lambda wildcards: source(wildcards.dataset).shards,
        chunks=lambda wildcards: len(FILES.chunks(wildcards.dataset)),
    message:
        "Listing the shards of {wildcards.dataset} chunk {wildcards.chunk}"
    shell:
        "python {SCRIPTS}/list_shards.py --shards {params.shards:q} --dataset {wildcards.dataset} "
        "--chunk {wildcards.chunk} --chunks {params.chunks} --out {output} > {log} 2>&1"


def image_folder(wildcards):
    """Return the folder of a labelled dataset's images; the emoji's is rendered first."""
    origin = source(wildcards.dataset)
    if isinstance(origin, EmojiSource):
        return rules.render_emoji.output[0].format(part=origin.part)
    return origin.root


def class_names(wildcards):
    """Return the file of class names where the study gives one."""
    return getattr(source(wildcards.dataset), "class_names", None) or []


def caption(dataset):
    """Return the template of a labelled dataset's captions; only the reference is trained on."""
    return STUDY.reference.caption if dataset == "reference" else "{class}"


rule ingest_imagefolder:
    input:
        root=image_folder,
        class_names=class_names,
    output:
        directory(f"{RESULTS}/data/{{dataset}}/{{chunk}}"),
    log:
        logged("ingest_imagefolder", "{dataset}/{chunk}"),
    benchmark:
        benchmarked("ingest_imagefolder", "{dataset}/{chunk}")
    wildcard_constraints:
        dataset=one_of(set(datasets_from(EmojiSource, ImageFolderSource)) - {"pool"}),
    priority: BEFORE_TRAINING
    conda:
        "../envs/download.yaml"
    params:
        # A function, or Snakemake would take {class} for a wildcard.
        settings=lambda wildcards: options(
            {
                "chunks": len(FILES.chunks(wildcards.dataset)),
                "caption": caption(wildcards.dataset),
                "samples_per_shard": DOWNLOAD.samples_per_shard,
            }
        ),
        class_names=lambda _, input: (
            options({"class_names": input.class_names or None})
        ),
    message:
        "Packing {wildcards.dataset} chunk {wildcards.chunk} into shards"
    shell:
        "python {SCRIPTS}/ingest_imagefolder.py --root {input.root:q} {params.class_names} "
        "--dataset {wildcards.dataset} --chunk {wildcards.chunk} {params.settings} "
        "--out {output} > {log} 2>&1"


rule ingest_imagenet:
    input:
        root=lambda wildcards: source(wildcards.dataset).root,
        ground_truth=lambda wildcards: source(wildcards.dataset).ground_truth or [],
    output:
        directory(f"{RESULTS}/data/{{dataset}}/{{chunk}}"),
    log:
        logged("ingest_imagenet", "{dataset}/{chunk}"),
    benchmark:
        benchmarked("ingest_imagenet", "{dataset}/{chunk}")
    wildcard_constraints:
        dataset=one_of(datasets_from(ImageNetSource)),
    priority: BEFORE_TRAINING
    conda:
        "../envs/imagenet.yaml"
    params:
        settings=lambda wildcards: options(
            {
                "chunks": len(FILES.chunks(wildcards.dataset)),
                "caption": caption(wildcards.dataset),
                "samples_per_shard": DOWNLOAD.samples_per_shard,
                **source(wildcards.dataset).model_dump(
                    include={"variant", "images", "ground_truth"}, exclude_none=True
                ),
            }
        ),
    message:
        "Packing {wildcards.dataset} chunk {wildcards.chunk} of ImageNet into shards"
    shell:
        "python {SCRIPTS}/ingest_imagenet.py --root {input.root:q} --dataset {wildcards.dataset} "
        "--chunk {wildcards.chunk} {params.settings} --out {output} > {log} 2>&1"
