"""What defines a CLIP training: the settings that are passed to open_clip_train."""

from typing import Literal

from pydantic import Field

from gapmatch.kinds.section import Fraction, Section


class TrainingSettings(Section):
    """What defines a training run besides its data and seed."""

    model: str = Field(
        description="Model name of open_clip, or local-dir:FOLDER with an open_clip_config.json.",
    )
    epochs: int = Field(10, ge=1, description="Passes over the training set.")
    batch_size: int = Field(
        256, ge=2, description="Global batch size: over all GPUs together, samples."
    )
    lr: float = Field(1e-3, gt=0, description="Peak learning rate (AdamW, cosine schedule).")
    warmup: int = Field(50, ge=0, description="Steps of linear warm-up.")
    weight_decay: float = Field(0.2, ge=0, description="Weight decay.")
    precision: Literal["auto", "fp32", "amp", "amp_bf16", "bf16", "fp16"] = Field(
        "auto",
        description="Arithmetic of the training (--precision of open_clip_train). auto: amp_bf16 "
        "where the machine computes faster in bfloat16 than in float32, amp on older GPUs, else "
        "fp32; training.json says which.",
    )
    grad_checkpointing: bool = Field(
        False,
        description="Compute activations anew in the backward pass instead of keeping them "
        "(--grad-checkpointing of open_clip_train): a tenth of the memory, a third more time.",
    )
    max_skipped: Fraction = Field(
        0.001, description="Training fails when a larger share of samples could not be read."
    )
