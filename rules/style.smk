# Styles of the pool's images: a classifier on the embeddings, learned from examples, and what it says.

STYLES = STUDY.styles
STYLED_BY = EXAMPLES if HAS_EXAMPLES else "pool"
# The embedder on whose embeddings styles are told apart.
STYLE_EMBEDDER = (STYLES.embedder if STYLES else None) or EMBEDDER


def style_options():
    """Return the options of learning; a study without styles runs none of these rules."""
    keys = {"threshold", "held_out", "max_examples", "seed"}
    chosen = STYLES.model_dump(include=keys) if STYLES else {}
    return options({"from_pool": not HAS_EXAMPLES, **chosen})


rule learn_styles:
    input:
        FILES.embeddings(STYLE_EMBEDDER, STYLED_BY),
    output:
        classifier=f"{RESULTS}/styles/classifier.npz",
        summary=FILES.learned_styles,
    log:
        logged("learn_styles"),
    benchmark:
        benchmarked("learn_styles")
    priority: BEFORE_TRAINING
    conda:
        "../envs/style.yaml"
    params:
        embeddings=FILES.embedded(STYLE_EMBEDDER, STYLED_BY),
        chunks=FILES.chunks(STYLED_BY),
        settings=style_options(),
    message:
        "Learning styles"
    shell:
        "python {SCRIPTS}/learn_styles.py --embeddings {params.embeddings} "
        "--chunks {params.chunks} {params.settings} --out {output.classifier} "
        "--summary {output.summary} > {log} 2>&1"


rule assign_styles:
    input:
        embeddings=FILES.vectors(STYLE_EMBEDDER, "pool", "{chunk}"),
        classifier=rules.learn_styles.output.classifier,
    output:
        FILES.styles("{chunk}"),
    log:
        logged("assign_styles", "{chunk}"),
    benchmark:
        benchmarked("assign_styles", "{chunk}")
    priority: BEFORE_TRAINING
    conda:
        "../envs/style.yaml"
    params:
        threshold=STYLES.threshold if STYLES else 0,
    message:
        "Assigning styles to pool chunk {wildcards.chunk}"
    shell:
        "python {SCRIPTS}/assign_styles.py --img-emb {input.embeddings} "
        "--classifier {input.classifier} --threshold {params.threshold} --out {output} "
        "> {log} 2>&1"
