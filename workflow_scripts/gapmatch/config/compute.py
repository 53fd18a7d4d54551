"""Settings of speed, which rerun nothing."""

from typing import Literal

from pydantic import Field

from gapmatch.kinds.section import Section


class Compute(Section):
    """Speed: nothing here reruns anything, with one exception (scale.md, What a change reruns)."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where embedding, search, training and evaluation compute."
    )
    engine: Literal["auto", "fused", "faiss"] = Field(
        "auto",
        description="Search engine; auto takes fused. faiss on a GPU needs faiss-gpu (scale.md, "
        "Environments); with device auto and faiss-cpu it computes on the CPU.",
    )
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
