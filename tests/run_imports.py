"""Run every import statement of the files named, also those inside functions, and nothing else."""

import ast
import sys
from pathlib import Path


def main(scripts: str, files: list[str]) -> None:
    """Print each import that fails; exit 1 then."""
    sys.path.insert(0, scripts)
    failures = set()
    for file in files:
        for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                statement = ast.unparse(node)
                try:
                    exec(statement, {})  # noqa: S102 - the project's own statements
                except ImportError as error:
                    failures.add(f"{Path(file).name}: {statement}: {error}")
    if failures:
        sys.exit("\n".join(sorted(failures)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
