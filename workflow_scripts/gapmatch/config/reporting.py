"""Evaluation, figures and the settings of speed that change no result."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gapmatch.kinds.section import Name, Section

POOL_NEIGHBOURS = 20
"""Nearest pool images kept of every test image. They come from the product that the margins need
anyway; were their number a setting, a change of it would repeat the margins, and with them every
subset and every training."""


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


class Figures(Section):
    """What the figures show."""

    id_test_set: Name = Field(
        "val", description="The in-distribution test set of the effective-robustness figure."
    )
    baseline: Name = Field("baseline", description="The subset that the others are compared to.")
    reference_only: Name = Field(
        "reference_only", description="The subset that trains on the reference alone."
    )
    examples: int = Field(6, ge=1, le=50, description="Test images per neighbour figure.")
    neighbours: int = Field(
        5,
        ge=1,
        le=POOL_NEIGHBOURS,
        description="Neighbours shown per test image in pool and reference.",
    )
    seed: int = Field(0, ge=0, description="Seed of the choice of examples.")
    duplicate_similarity: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="A test image whose nearest neighbour is more similar than this has a "
        "duplicate, for the table of duplicates.",
    )
    published: Path | None = Field(
        None,
        description="CSV of published accuracies to show in Table 1: training_set, test_set, top1 "
        "(a fraction), source.",
    )
    credit: str = Field("", description="Credit line under figures that show pictures.")


class Compute(Section):
    """Speed: nothing here re-runs anything."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where embedding, search, training and evaluation compute."
    )
    engine: Literal["auto", "fused", "faiss"] = Field("auto", description="Search engine.")
    embedding_batch_size: int = Field(256, ge=1, description="Images per embedding batch.")
    embedding_workers: int = Field(1, ge=0, description="Processes that decode images.")
    search_block_rows: int = Field(
        0, ge=0, description="Rows per product of the search; 0 chooses by memory and cache."
    )
    search_memory_mb: int = Field(
        4096,
        ge=1280,
        description="Memory of a job that searches or deduplicates, in MiB. Blocks of the "
        "engine fused are chosen to fit; on SLURM the job asks for somewhat more.",
    )
    download_processes: int = Field(1, ge=1, description="Processes of img2dataset.")
    download_threads: int = Field(16, ge=1, description="Threads per process of img2dataset.")
    training_gpus: int = Field(
        1,
        ge=1,
        description="GPUs of one training, unless the device is cpu. The order of samples depends "
        "on it, and a training goes on from its checkpoint only with the same number.",
    )
    training_workers: int = Field(
        1,
        ge=1,
        description="Processes per GPU that read training data, at most: a training set too small "
        "for all gets fewer. The order of samples depends on it: equal weights need equal numbers.",
    )
