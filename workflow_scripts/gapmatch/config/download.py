"""How links are fetched."""

from typing import Literal

from pydantic import Field

from gapmatch.kinds.section import Fraction, Section


class Download(Section):
    """How links are fetched; the settings are those of img2dataset."""

    image_size: int = Field(256, ge=8, description="Side of the stored images, pixels.")
    resize_mode: Literal["no", "border", "keep_ratio", "keep_ratio_largest", "center_crop"] = Field(
        "border", description="How img2dataset brings images to that size."
    )
    samples_per_shard: int = Field(10_000, ge=1, description="Samples per shard.")
    min_success_rate: Fraction = Field(
        0.5, description="A chunk with a lower share of fetched links is an error."
    )
    max_image_area: int = Field(
        50_000_000, ge=1, description="Larger images are rejected before decoding, pixels."
    )
    retries: int = Field(1, ge=0, description="How often a failed link is tried again.")
    timeout_minutes: float = Field(
        720, gt=0, description="A chunk that takes longer is stopped and reported, minutes."
    )
