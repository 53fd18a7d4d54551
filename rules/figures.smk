# Figures, from tables alone: with those present and all else deleted they can be drawn again.


def swept(field, other):
    """Return whether gap-matched subsets differ in one field only, all else being equal."""
    matched = [STUDY.subsets[name] for name in GAP_MATCHED]
    values = {}
    for name, one in zip(GAP_MATCHED, matched):
        tests, embedder = STUDY.subset_test_sets(name), STUDY.subset_embedder(name)
        alike = (*tests, embedder, one.reference, getattr(one, other))
        values.setdefault(alike, set()).add(getattr(one, field))
    return any(len(several) > 1 for several in values.values())


def steered():
    """Return whether a near- or far-pruned subset was steered by some test sets but not by all."""
    return any(
        STUDY.subsets[name].method in ("near", "far")
        and len(STUDY.subset_test_sets(name)) < len(TEST_SETS)
        for name in SUBSETS
    )


FIGURES = [
    "similarity_gap",
    "similarity_pruned",
    *(["profile"] if GAP_MATCHED else []),
    "accuracy_by_similarity",
    "accuracy_by_size",
    *(["transfer_by_size"] if steered() else []),
    *(["dose_response"] if swept("offset", "rank") or swept("rank", "offset") else []),
    "effective_robustness",
    *(["pruned"] if isinstance(STUDY.pool.source, EmojiSource) else []),
    *[f"audit_{subset}" for subset in AUDITED],
    *[f"sensitivity_{test_set}" for test_set in SENSITIVITY],
    *[f"neighbours_{test_set}" for test_set in TEST_SETS],
]
FIGURE_CAPTIONS = list(
    dict.fromkeys(
        re.sub(r"^(audit|neighbours|sensitivity)_.*", r"\1", name) for name in FIGURES
    )
)


def figure_files(*names):
    """Return the files of figures by name, or by what their name begins with before a "_"."""
    found = [name for name in FIGURES if name in names or name.split("_")[0] in names]
    return expand(
        f"{RESULTS}/figures/{{name}}.{{suffix}}",
        name=found,
        suffix=("pdf", "png", "csv"),
    )


def figure(name, caption, **labels):
    """Return a figure's files; the PNG goes into Snakemake's report."""
    stem = f"{RESULTS}/figures/{name}"
    caption = f"../resources/captions/{caption}.rst"
    shown = report(f"{stem}.png", caption=caption, category="Figures", labels=labels)
    return [shown, f"{stem}.pdf", f"{stem}.csv"]


rule plot_similarity:
    input:
        gap=f"{RESULTS}/tables/similarity_gap.csv",
        pruned=f"{RESULTS}/tables/similarity_pruned.csv",
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
        out=f"{RESULTS}/figures",
    message:
        "Figures of nearest-neighbour similarity"
    shell:
        "python {SCRIPTS}/plot_similarity.py --gap {input.gap} --pruned {input.pruned} "
        "--out-gap {params.out}/similarity_gap --out-pruned {params.out}/similarity_pruned "
        "> {log} 2>&1"


rule plot_profile:
    input:
        table=f"{RESULTS}/tables/profile.csv",
        subsets=f"{RESULTS}/tables/subsets.csv",
    output:
        figure("profile", "profile", figure="similarity profile"),
    log:
        f"{RESULTS}/logs/plot_profile.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_profile.tsv"
    conda:
        "../envs/report.yaml"
    params:
        baseline=STUDY.figures.baseline,
        out=f"{RESULTS}/figures/profile",
    message:
        "Figure of similarity profiles"
    shell:
        "python {SCRIPTS}/plot_profile.py --table {input.table} --subsets {input.subsets} "
        "--baseline {params.baseline} --out {params.out} > {log} 2>&1"


rule plot_accuracy_by_similarity:
    input:
        table=f"{RESULTS}/tables/accuracy_by_similarity.csv",
        subsets=f"{RESULTS}/tables/subsets.csv",
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
        "python {SCRIPTS}/plot_accuracy_by_similarity.py --table {input.table} "
        "--subsets {input.subsets} --out {params.out} > {log} 2>&1"


rule plot_accuracy_by_size:
    input:
        accuracy=f"{RESULTS}/tables/accuracy.csv",
        subsets=f"{RESULTS}/tables/subsets.csv",
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
        "--subsets {input.subsets} --out {params.out} > {log} 2>&1"


rule plot_transfer_by_size:
    input:
        accuracy=f"{RESULTS}/tables/accuracy.csv",
        subsets=f"{RESULTS}/tables/subsets.csv",
    output:
        figure(
            "transfer_by_size",
            "transfer_by_size",
            figure="accuracy by size, on other test sets",
        ),
    log:
        f"{RESULTS}/logs/plot_transfer_by_size.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_transfer_by_size.tsv"
    conda:
        "../envs/report.yaml"
    params:
        out=f"{RESULTS}/figures/transfer_by_size",
    message:
        "Figure of accuracy on test sets that steered no pruning"
    shell:
        "python {SCRIPTS}/plot_accuracy_by_size.py --other-test-sets --accuracy {input.accuracy} "
        "--subsets {input.subsets} --out {params.out} > {log} 2>&1"


rule plot_dose_response:
    input:
        accuracy=f"{RESULTS}/tables/accuracy.csv",
        subsets=f"{RESULTS}/tables/subsets.csv",
    output:
        figure("dose_response", "dose_response", figure="dose and response"),
    log:
        f"{RESULTS}/logs/plot_dose_response.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_dose_response.tsv"
    conda:
        "../envs/report.yaml"
    params:
        settings=options(
            baseline=STUDY.figures.baseline,
            reference_only=STUDY.figures.reference_only,
        ),
        out=f"{RESULTS}/figures/dose_response",
    message:
        "Figure of dose and response"
    shell:
        "python {SCRIPTS}/plot_dose_response.py --accuracy {input.accuracy} "
        "--subsets {input.subsets} {params.settings} --out {params.out} > {log} 2>&1"


rule plot_effective_robustness:
    input:
        accuracy=f"{RESULTS}/tables/accuracy.csv",
        subsets=f"{RESULTS}/tables/subsets.csv",
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
        "--subsets {input.subsets} --id-test-set {params.id_test_set} "
        "--classifiers {params.classifiers} --out {params.out} > {log} 2>&1"


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


rule plot_audit:
    input:
        f"{RESULTS}/tables/audit_{{subset}}.parquet",
    output:
        figure("audit_{subset}", "audit", figure="audit of {subset}"),
    log:
        f"{RESULTS}/logs/plot_audit/{{subset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_audit/{{subset}}.tsv"
    conda:
        "../envs/report.yaml"
    params:
        # A function, or Snakemake would take braces for wildcards.
        credit=lambda _: options(credit=STUDY.figures.credit),
        out=lambda wildcards: f"{RESULTS}/figures/audit_{wildcards.subset}",
    message:
        "Figure of what {wildcards.subset} prunes"
    shell:
        "python {SCRIPTS}/plot_audit.py --subset {wildcards.subset} --table {input} "
        "{params.credit} --out {params.out} > {log} 2>&1"


rule plot_sensitivity:
    input:
        f"{RESULTS}/tables/sensitivity_{{test_set}}.csv",
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
        "../envs/report.yaml"
    params:
        out=lambda wildcards: f"{RESULTS}/figures/sensitivity_{wildcards.test_set}",
    message:
        "Figure of the sensitivity to what the reference holds"
    shell:
        "python {SCRIPTS}/plot_sensitivity.py --test-set {wildcards.test_set} --table {input} "
        "--out {params.out} > {log} 2>&1"


rule plot_neighbours:
    input:
        f"{RESULTS}/tables/neighbours_{{test_set}}.parquet",
    output:
        figure("neighbours_{test_set}", "neighbours", figure="neighbours of {test_set}"),
    log:
        f"{RESULTS}/logs/plot_neighbours/{{test_set}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/plot_neighbours/{{test_set}}.tsv"
    conda:
        "../envs/report.yaml"
    params:
        # A function, or Snakemake would take braces for wildcards.
        credit=lambda _: options(credit=STUDY.figures.credit),
        out=lambda wildcards: f"{RESULTS}/figures/neighbours_{wildcards.test_set}",
    message:
        "Figure of the neighbours of {wildcards.test_set}"
    shell:
        "python {SCRIPTS}/plot_neighbours.py --test-set {wildcards.test_set} --table {input} "
        "{params.credit} --out {params.out} > {log} 2>&1"
