# A look at the data before it costs: what the study names, by a few samples of each source.


def rendered_parts():
    """Return the folders of rendered emoji that the study takes as datasets."""
    parts = [source(dataset).part for dataset in datasets_of("emoji")]
    return expand(rules.render_emoji.output, part=parts)


# It has no output, nor a benchmark, which counts as one. Snakemake takes what exists for up to date, and
# deletes what a failed job made: each call is to look at the data as they are now, and the page is to
# stay where it tells of errors.
rule inspect_data:
    input:
        rendered=rendered_parts(),
        template=f"{RESOURCES}/inspection.html.j2",
        page=PAGE,
    log:
        logged("inspect_data"),
    conda:
        "../envs/inspect.yaml"
    params:
        config=f"{RESULTS}/config.json",
        rendered=f"{RESULTS}/emoji",
        out=f"{RESULTS}/inspection.html",
    message:
        "Looking at the data"
    shell:
        "python {SCRIPTS}/inspect_data.py --config {params.config} --rendered {params.rendered} "
        "--template {input.template} --out {params.out} 2> {log}"


localrules:
    inspect_data,
