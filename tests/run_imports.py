"""Run every import statement of the files named, also those inside functions, and nothing else."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a syntax tree's nodes, without what only a type checker reads."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from executed(child)


def main(scripts: str, files: list[str]) -> None:
    """Print each import that fails; exit 1 then."""
    sys.path.insert(0, scripts)
    failures = set()
    for file in files:
        for node in executed(ast.parse(Path(file).read_text(encoding="utf-8"))):
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
