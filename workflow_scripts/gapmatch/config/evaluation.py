"""Zero-shot evaluation."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gapmatch.kinds.section import Section


def _have_one_place(templates: str | list[str]) -> str | list[str]:
    for one in [] if isinstance(templates, str) else templates:
        if one.count("{}") != 1 or one.count("{") + one.count("}") != 2:
            raise ValueError("expected {} once in each, for the class name, and no other braces")
    return templates


Templates = Annotated[Literal["openai", "simple"] | list[str], AfterValidator(_have_one_place)]


class Evaluation(Section):
    """Zero-shot classification."""

    templates: Templates = Field(
        "openai",
        description="Prompt templates: OpenAI's 80 for ImageNet, its 7 simple ones, or a list in "
        "which {} stands for the class name.",
    )
