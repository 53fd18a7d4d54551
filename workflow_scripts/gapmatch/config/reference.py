"""The JSON schema of the config, and its reference page made from the schema."""

from typing import Any

from gapmatch.config.study import Study

HEADER = """# Config reference

Generated from the models in `workflow_scripts/gapmatch/config/` by `make schema`; a test compares.
A study is one YAML file: `config.yaml` by default, else what `--configfile` names. Unknown keys are
errors. What may be left out has a default.
"""


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a study."""
    schema = Study.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "gapmatch study"
    for definition in schema["$defs"].values():
        _require_tag(definition)
    # Families are replaced by their members before the models see them.
    schema["properties"]["subsets"]["patternProperties"][r"\{\w+\}"] = {
        "description": "A family: a subset for each of the values of the keys in braces.",
        "type": "object",
        "required": ["method"],
    }
    return schema


def _require_tag(definition: dict[str, Any]) -> None:
    """Require the key that tells which of several models is meant: it has one value."""
    tags = [key for key, value in definition.get("properties", {}).items() if "const" in value]
    for tag in tags:
        definition["properties"][tag].pop("default", None)
    required = [*tags, *definition.get("required", [])]
    if required:
        definition["required"] = list(dict.fromkeys(required))


def markdown(schema: dict[str, Any]) -> str:
    """Return the reference page: a table of keys for the study and for each of its sections."""
    definitions = schema["$defs"]
    parts = [HEADER, _section("Study", schema)]
    parts += [_section(name, definitions[name]) for name in _in_order(schema, definitions)]
    return "\n".join(parts)


def _in_order(schema: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    found: list[str] = []
    pending = _references(schema.get("properties", {}))
    while pending:
        name = pending.pop(0)
        if name not in found:
            found.append(name)
            pending = _references(definitions[name].get("properties", {})) + pending
    return found


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        here = [node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else []
        inner = (value for key, value in node.items() if key not in {"default", "discriminator"})
        return here + [name for value in inner for name in _references(value)]
    if isinstance(node, list):
        return [name for value in node for name in _references(value)]
    return []


def _section(name: str, section: dict[str, Any]) -> str:
    required = section.get("required", [])
    lines = [f"## {name}", "", str(section.get("description", "")), ""]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, value in section.get("properties", {}).items():
        default = "required" if key in required else _default(value)
        meaning = str(value.get("description", "")).replace("|", "\\|")
        lines.append(f"| `{key}` | {_type(value)} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _default(value: dict[str, Any]) -> str:
    default = value.get("default")
    if isinstance(default, dict) and default:
        return "see its section"
    return f"`{default!r}`" if default != "" else "empty"


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{choice}`" for choice in value["enum"])
    for union in ("anyOf", "oneOf"):
        if union in value:
            return " or ".join(_type(choice) for choice in value[union])
    if value.get("type") == "array":
        return f"list of {_type(value.get('items', {}))}"
    if value.get("type") == "object":
        # pydantic describes a mapping with constrained names by a pattern.
        inner = [*value.get("patternProperties", {}).values(), value.get("additionalProperties")]
        return f"by name: {_type(inner[0])}"
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {value[limit]:g}" for limit, sign in limits.items() if limit in value]
    return " ".join([str(value.get("type", "any")), *bounds])
