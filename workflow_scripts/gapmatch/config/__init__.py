"""The config of a study: pydantic models, one module per section."""

from gapmatch.config.files import load_study
from gapmatch.config.study import Study, parse_study

__all__ = ["Study", "load_study", "parse_study"]
