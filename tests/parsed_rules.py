"""Print the rules of the default study as Snakemake parses them, and what it imports, as JSON."""

import json
import sys
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.cli import parse_config
from snakemake.settings.enums import Quietness
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Parse the workflow and print what the tests look at."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=2),
            config_settings=ConfigSettings(config=parse_config(sys.argv[1:])),
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )._workflow
        rules = {
            rule.name: {
                "shell": rule.shellcmd,
                "conda": rule._conda_env,
                "log": [str(path) for path in rule.log],
                "benchmark": str(rule.benchmark or ""),
                "message": rule.message,
                "resources": sorted(rule.resources),
            }
            for rule in workflow.rules
            if rule.shellcmd
        }
    json.dump({"rules": rules, "modules": sorted(sys.modules)}, sys.stdout)


if __name__ == "__main__":
    main()
