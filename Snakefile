"""Gap-matched pruning of a web-scale training set, from download to the paper's figures.

The study is config.yaml, or what --configfile names. Rules stand in rules/, one file per stage in
the order of the data; each runs one program of workflow_scripts/.
"""

import sys

from snakemake.utils import min_version

min_version("9.0")

# A --configfile replaces config.yaml: merged into it, the default study's subsets would leak in.
if not workflow.configfiles:

    configfile: "config.yaml"


sys.path.insert(0, f"{workflow.basedir}/workflow_scripts")


include: "rules/common.smk"


rule all:
    default_target: True
    input:
        REPORT,


include: "rules/download.smk"
include: "rules/embed.smk"
include: "rules/deduplicate.smk"
include: "rules/search.smk"
include: "rules/subset.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/report.smk"
include: "rules/inspect.smk"


# The paper's figures and Table 1, by their numbers there.
rule tables:
    input:
        table_files(*TABLES),


rule figures:
    input:
        figure_files(*FIGURES),


rule fig1:
    input:
        figure_files("neighbours"),


rule fig2:
    input:
        figure_files("similarity_gap"),
        table_files("duplicates"),


rule fig3:
    input:
        figure_files("similarity_gap", "accuracy_by_similarity"),


rule fig4:
    input:
        figure_files("accuracy_by_size"),


rule fig5:
    input:
        figure_files("similarity_pruned"),


rule fig6:
    input:
        figure_files("similarity_pruned", "profile"),


rule fig7:
    input:
        figure_files("transfer_by_size"),


rule table1:
    input:
        table_files("table1"),
