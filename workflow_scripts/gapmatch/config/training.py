"""Training of one CLIP model per subset and seed."""

from pydantic import Field

from gapmatch.kinds.section import DistinctIntegers
from gapmatch.models.training_settings import TrainingSettings


class Training(TrainingSettings):
    """Training of one model per subset and seed."""

    seeds: DistinctIntegers = Field(
        [0], min_length=1, description="One model per subset is trained for each seed."
    )
