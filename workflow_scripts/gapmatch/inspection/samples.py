"""A look at samples: whether each can be used, and what images and captions they hold."""

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from gapmatch.data.decoding import decode_image
from gapmatch.data.image_extensions import IMAGE_FORMATS
from gapmatch.data.samples import Sample, Use, read_sample
from gapmatch.data.shard_samples import ShardSample, image_of
from gapmatch.inspection.findings import Look, Picture

PICTURES = 8
SIDE = 112
"""Of a picture on the page, pixels."""
TRANSPARENT = ("png", "webp")
OPAQUE = 255
MOSTLY = 0.5
ONE_CAPTION = 0.5
"""Captions of which more than this share are one text tell a training next to nothing."""


@dataclass
class SampleCounts:
    """What was met in the samples that were looked at.

    Attributes:
        looked: Number of samples.
        reasons: How many cannot be used, by reason.
        first: Where the first of each reason is.
        extensions: Number of images by the extension of their files.
        sizes: Width and height of the images, pixels.
        captions: Captions of the samples that can be used.
        transparent: Number of images of which something is transparent.
        plain: Number of images that are of one colour.
        pictures: The first images.
        styles: Styles that samples have.
        named: Number of samples with a class.
    """

    looked: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    extensions: Counter[str] = field(default_factory=Counter)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)
    transparent: int = 0
    plain: int = 0
    pictures: list[Picture] = field(default_factory=list)
    styles: set[str] = field(default_factory=set)
    named: int = 0

    def add(self, other: "SampleCounts") -> None:
        """Add what was met in other samples."""
        self.looked += other.looked
        self.reasons += other.reasons
        self.first = other.first | self.first
        self.extensions += other.extensions
        self.sizes += other.sizes
        self.captions += other.captions
        self.transparent += other.transparent
        self.plain += other.plain
        self.pictures += other.pictures
        self.styles |= other.styles
        self.named += other.named

    @property
    def usable(self) -> int:
        """How many of the samples can be used."""
        return self.looked - self.unusable

    @property
    def unusable(self) -> int:
        """How many of the samples cannot be used."""
        return self.reasons.total()


def count(
    samples: Iterable[tuple[str, ShardSample]],
    use: Use,
    pictures: int,
    classes: Sequence[str] = (),
) -> SampleCounts:
    """Decode samples as the embedding does, and count what they are.

    Args:
        samples: Where it is, for messages, and the sample.
        use: What they are for.
        pictures: Number of pictures to keep.
        classes: Names of the classes of multilabel images, which stand below these.
    """
    counts = SampleCounts()
    for place, raw in samples:
        sample, image = read_sample(raw, place, decode_image, use)
        counts.looked += 1
        if sample.reason is not None or image is None:
            counts.reasons[str(sample.reason)] += 1
            counts.first.setdefault(str(sample.reason), place)
            continue
        extension, content = image_of(raw.members)
        counts.extensions[extension] += 1
        counts.transparent += extension in TRANSPARENT and _is_transparent(content)
        counts.plain += image.getcolors(1) is not None
        counts.sizes.append(image.size)
        counts.captions.append(sample.caption)
        counts.styles.update(filter(None, [sample.style]))
        counts.named += sample.class_name is not None
        if len(counts.pictures) < pictures:
            counts.pictures.append(Picture(_small(image), _caption(sample, classes)))
    return counts


def _caption(sample: Sample, classes: Sequence[str]) -> str:
    """Return what stands below a picture."""
    if sample.labels is None or not classes:
        return sample.caption
    return ", ".join(classes[label] for label in sample.labels) or "(no class)"


def _is_transparent(content: bytes) -> bool:
    """Return whether something of an image is transparent; it can be decoded."""
    with Image.open(io.BytesIO(content), formats=IMAGE_FORMATS) as image:
        if not image.has_transparency_data:
            return False
        return min(image.convert("RGBA").getchannel("A").tobytes()) < OPAQUE


def _small(image: Image.Image) -> bytes:
    image.thumbnail((SIDE, SIDE))
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=85)
    return jpeg.getvalue()


def tell(look: Look, counts: SampleCounts) -> None:
    """Add what was met in samples to what is known of a dataset."""
    look.facts["samples looked at"] = f"{counts.looked:,}"
    if counts.extensions:
        formats = (f"{name} {number:,}" for name, number in counts.extensions.most_common())
        look.facts["images"] = ", ".join(formats)
        look.facts["width x height"] = _sizes(counts.sizes)
    look.pictures, look.looked, look.unusable = counts.pictures, counts.looked, counts.unusable
    look.captions, look.styles, look.named = counts.captions, counts.styles, counts.named
    if counts.looked and not counts.usable:
        look.error(f"none of {counts.looked:,} samples can be used: {reasons_of(counts)}")
    elif counts.unusable:
        look.warning(
            f"{counts.unusable:,} of {counts.looked:,} samples cannot be used and will be "
            f"rejected: {reasons_of(counts)}"
        )
    _tell_appearance(look, counts)


def _sizes(sizes: list[tuple[int, int]]) -> str:
    width, height = np.median(sizes, axis=0).astype(int)
    shorter = [min(size) for size in sizes]
    return f"median {width} x {height}; the shorter side from {min(shorter)} to {max(shorter)}"


def _tell_appearance(look: Look, counts: SampleCounts) -> None:
    """Add what models will not see as people do."""
    if counts.transparent:
        look.warning(
            f"{counts.transparent:,} of {counts.usable:,} images are transparent in places: models "
            "see the colours underneath, often black, as the page's pictures show; put them on a "
            "background first"
        )
    if counts.plain:
        look.tell(
            f"{counts.plain:,} of {counts.usable:,} images are of one colour",
            error=counts.plain > MOSTLY * counts.usable,
        )


def reasons_of(counts: SampleCounts) -> str:
    """Return why samples cannot be used, the most frequent reasons first."""
    return "; ".join(
        f"{reason} ({number:,}, such as {counts.first[reason]})"
        for reason, number in counts.reasons.most_common(5)
    )


def tell_captions(look: Look, captions: list[str]) -> None:
    """Add what was met in the captions of a pool."""
    if not captions:
        return
    words = [len(caption.split()) for caption in captions]
    look.facts["captions"] = f"median {int(np.median(words))} words, at most {max(words)}"
    number = len(captions)
    empty = sum(not caption.strip() for caption in captions)
    if empty:
        look.tell(
            f"{empty:,} of {number:,} captions are empty: they are trained on as they are",
            error=empty == number,
        )
    caption, times = Counter(captions).most_common(1)[0]
    if caption.strip() and number > 1 and times > ONE_CAPTION * number:
        look.tell(
            f"{times:,} of {number:,} captions are {caption[:60]!r}: a contrastive training learns "
            "from captions that differ",
            error=times == number,
        )
