# Figures, from tables alone: one rule for each module of gapmatch/figures/. With the tables present and
# all else deleted they can be drawn again.

for figure in shown.figures().values():

    rule:
        name:
            f"figure_{figure.name}"
        input:
            needed(figure, "inputs"),
        output:
            outputs_of(figure),
        log:
            logged(f"figure_{figure.name}", figure.wildcard),
        benchmark:
            benchmarked(f"figure_{figure.name}", figure.wildcard)
        conda:
            "../envs/report.yaml"
        resources:
            mem_mb=growing(4000),
            runtime=growing(60),
        params:
            name=figure.name,
            caption=figure.caption,
            settings=settings_of(figure),
            arguments=arguments_of(figure),
        message:
            f"Figure {figure.title.replace('{', '{wildcards.')}"
        shell:
            "python {SCRIPTS}/figure.py {params.name} {params.arguments} {params.settings} "
            "> {log} 2>&1"


FIGURES = list(shown.figures().values())


rule figures:
    input:
        [path for figure in FIGURES for path in figure.files(FILES)],


# The paper's figures and Table 1, by their numbers there.
for target in sorted({target for kind in TABLES + FIGURES for target in kind.paper}):

    rule:
        name:
            target
        input:
            [
                path
                for kind in TABLES + FIGURES
                if target in kind.paper
                for path in kind.files(FILES)
            ],
