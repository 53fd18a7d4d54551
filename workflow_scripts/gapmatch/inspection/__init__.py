"""A look at a study's data before anything is computed: `snakemake inspect_data`."""
