# Tables, from result files alone: one rule for each module of gapmatch/tables/. Those for people have a
# caption; the others hold what figures draw, so that a figure is drawn again from the tables alone.

for table in shown.tables().values():

    rule:
        name:
            f"table_{table.name}"
        input:
            needed(table, "inputs"),
        output:
            outputs_of(table),
        log:
            logged(f"table_{table.name}", table.wildcard),
        benchmark:
            benchmarked(f"table_{table.name}", table.wildcard)
        priority: BEFORE_TRAINING if table.early else 0
        conda:
            f"../envs/{SEARCH_ENVIRONMENT if table.searches else table.environment}.yaml"
        resources:
            **(SEARCHING if table.searches else {"mem_mb": growing(4000)}),
            runtime=growing(60),
        params:
            name=table.name,
            # A changed caption makes the table again.
            caption=table.caption,
            settings=settings_of(table),
            arguments=arguments_of(table),
            engine=engine_options(table),
        message:
            f"Table {table.title.replace('{', '{wildcards.')}"
        # Evaluated when it runs: it names no variable of the loop.
        shell:
            "python {SCRIPTS}/table.py {params.name} {params.arguments} {params.settings} "
            "{params.engine} > {log} 2>&1"


# Those for people.
TABLES = [table for table in shown.tables().values() if table.caption]


rule tables:
    input:
        [path for table in TABLES for path in table.files(FILES)],
