"""Gap-matched pruning of a web-scale training set, from download to the paper's figures.

The study is config.yaml, or what --configfile names. Rules stand in rules/, one file per stage in
the order of the data; each runs one program of workflow_scripts/.
"""

import gc
import sys

from snakemake.utils import min_version

# Rules and jobs stay until the end: to look for garbage among them takes a tenth of a plan's time.
# It is looked for again once jobs run.
gc.disable()

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
        FILES.browsed(),
        HUMAN_CHECK,


include: "rules/download.smk"
include: "rules/embed.smk"
include: "rules/cluster.smk"
include: "rules/style.smk"
include: "rules/deduplicate.smk"
include: "rules/search.smk"
include: "rules/subset.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/browse.smk"
include: "rules/report.smk"
include: "rules/human_check.smk"
include: "rules/inspect.smk"
