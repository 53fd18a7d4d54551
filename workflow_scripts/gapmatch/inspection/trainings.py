"""Whether a study's models exist, and whether its trainings suit the data."""

import math
from collections.abc import Iterator

import open_clip
import timm
from scipy.stats import binomtest

from gapmatch.config.study import Study
from gapmatch.embed.embedders.checkpoint import CheckpointEmbedder
from gapmatch.embed.embedders.open_clip import PretrainedEmbedder
from gapmatch.embed.embedders.timm import TimmEmbedder
from gapmatch.embed.embedders.trained import TrainedEmbedder
from gapmatch.inspection.findings import Look
from gapmatch.models.training_settings import TrainingSettings

LOCAL_MODEL = "local-dir:"
SHARE_OF_WARMUP = 0.5
"""A warm-up over more of a training than this leaves little at the rate that is asked for."""


def look_at_trainings(study: Study, pool: Look, reference: Look) -> Look:
    """Look at models and trainings, with what is known of the sizes of pool and reference.

    Args:
        study: The study.
        pool: What was found of its pool; ``images`` is 0 where only a download will tell.
        reference: What was found of its reference.
    """
    look = Look("trainings")
    for text in _unknown_models(study):
        look.error(text)
    batch = study.training.batch_size
    if 0 < reference.images < batch:
        look.error(
            f"training.batch_size is {batch:,}, but the reference alone has {reference.images:,} "
            "images, too few for one batch: lower it"
        )
    _look_at_warmup(look, "training", study.training, reference.images, "the reference alone")
    for name, embedder in study.embedders.items():
        if isinstance(embedder, TrainedEmbedder):
            _look_at_warmup(look, f"embedders.{name}", embedder, pool.images, "the pool")
            _look_at_skipped(look, name, embedder, pool)
    return look


def _unknown_models(study: Study) -> Iterator[str]:
    """Yield what is told of models that open_clip or timm does not know."""
    models = {"training.model": study.training.model}
    for name, embedder in study.embedders.items():
        if isinstance(embedder, TrainedEmbedder | CheckpointEmbedder | PretrainedEmbedder):
            models[f"embedders.{name}.model"] = embedder.model
        if isinstance(embedder, TimmEmbedder) and not timm.is_model(embedder.model):
            yield f"embedders.{name}.model: timm knows no model {embedder.model!r}"
        if isinstance(embedder, PretrainedEmbedder):
            tags = open_clip.list_pretrained_tags_by_model(embedder.model)
            if tags and embedder.pretrained not in tags:
                yield (
                    f"embedders.{name}.pretrained: open_clip has no weights "
                    f"{embedder.pretrained!r} for {embedder.model}, only {', '.join(tags)}"
                )
    known = set(open_clip.list_models())
    for key, model in models.items():
        # What lies in a folder is looked for before anything runs; "/" and ":" are a hub's.
        if model not in known and not model.startswith(LOCAL_MODEL) and "/" not in model:
            yield (
                f"{key}: open_clip knows no model {model!r}; a model of your own is "
                f"{LOCAL_MODEL}FOLDER with an open_clip_config.json in it"
            )


def _look_at_warmup(
    look: Look, key: str, settings: TrainingSettings, samples: int, of_what: str
) -> None:
    """Warn of a warm-up that is most of a training."""
    steps = settings.epochs * math.ceil(samples / settings.batch_size)
    if samples and settings.warmup > SHARE_OF_WARMUP * steps:
        look.warning(
            f"{key}.warmup is {settings.warmup:,} steps, and training on {of_what} (about "
            f"{samples:,} samples, batches of {settings.batch_size:,}, {settings.epochs} epochs) "
            f"has {steps:,}: lower it, or the batch size"
        )


def _look_at_skipped(look: Look, name: str, embedder: TrainedEmbedder, pool: Look) -> None:
    """Tell of an embedder whose training would skip more of the pool than it may."""
    limit = embedder.max_skipped
    if pool.unusable <= limit * pool.looked:
        return
    # Of few samples one may be bad by chance.
    found = binomtest(pool.unusable, pool.looked).proportion_ci(method="exact")
    look.tell(
        f"the embedder {name} is trained on the pool before samples are rejected, and fails where "
        f"more than {limit:.2%} of them cannot be used; of those looked at, "
        f"{pool.unusable / pool.looked:.2%} cannot (95 % interval {found.low:.2%} to "
        f"{found.high:.2%}): mend the shards, or set embedders.{name}.max_skipped to "
        f"{math.ceil(100 * found.high) / 100:.2f}",
        error=found.low > limit,
    )
