"""Where images come from: the sources of the pool, the reference and the test sets."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from gapmatch.kinds.section import Fraction, Section

EmojiPart = Literal["pool", "reference", "val", "v2", "rendition", "sketch", "hard", "clutter"]


class EmojiSource(Section):
    """Artwork of emoji, rendered by the workflow (see the section emoji)."""

    kind: Literal["emoji"] = Field(description="Render emoji artwork.")
    part: EmojiPart = Field(description="Which part of the emoji study to render.")


class UrlsSource(Section):
    """Links and captions in parquet files, fetched with img2dataset."""

    kind: Literal["urls"] = Field(description="Fetch images from the web with img2dataset.")
    path: Path = Field(description="A parquet file, or a folder of parquet files.")
    url_column: str = Field("url", description="Column that holds the links.")
    caption_column: str = Field("caption", description="Column that holds the captions.")


class ShardsSource(Section):
    """Webdataset shards that exist already; they are read in place, never copied."""

    kind: Literal["shards"] = Field(description="Read existing webdataset shards in place.")
    shards: str = Field(
        description="Paths of the tar files in brace notation: /data/laion/{00000..41407}.tar."
    )

    @field_validator("shards")
    @classmethod
    def _no_pattern(cls, value: str) -> str:
        if set("*?[") & set(value):
            raise ValueError(
                "expected brace notation, /data/{00000..00999}.tar: what * or ? stand for may "
                "change between two runs"
            )
        return value


class ImageFolderSource(Section):
    """One folder of images per class, as ImageNet and its variants ship."""

    kind: Literal["imagefolder"] = Field(description="Read one folder of images per class.")
    root: Path = Field(description="The folder that holds one folder per class.")
    class_names: Path | None = Field(
        None,
        description="JSON file that maps folder names to class names; without it ROOT/classes.json "
        "is used where it exists, else the folder names with '_' as space.",
    )


class ImageNetSource(Section):
    """ImageNet or one of its shifted test sets, in the layout that it ships in."""

    kind: Literal["imagenet"] = Field(description="Read ImageNet or one of its shifts.")
    variant: Literal["train", "val", "sketch", "a", "r", "v2", "objectnet"] = Field(
        description="Which data set it is: it says how folders and classes are found."
    )
    root: Path = Field(
        description="Its folder as unpacked: class folders (WordNet ids; v2: 0 to 999), for "
        "objectnet the one with images/ and mappings/."
    )
    ground_truth: Path | None = Field(
        None,
        description="For val with all images in one folder: LOC_val_solution.csv, or "
        "ILSVRC2012_validation_ground_truth.txt with the development kit's meta.mat beside it.",
    )
    images: int | None = Field(
        None,
        ge=1,
        description="Number of images, where the folder holds a part; by default as published.",
    )


PoolSource = Annotated[EmojiSource | UrlsSource | ShardsSource, Field(discriminator="kind")]
LabelledSource = Annotated[
    EmojiSource | ImageFolderSource | ImageNetSource, Field(discriminator="kind")
]


class Pool(Section):
    """The web dataset P that is pruned."""

    source: PoolSource = Field(
        EmojiSource(kind="emoji", part="pool"), description="Where the pool comes from."
    )
    chunks: int = Field(
        4,
        ge=1,
        le=100_000,
        description="Number of chunks; a chunk is the unit of a job (100 to 450 for LAION-400M).",
    )


def _names_the_class(caption: str) -> str:
    if "{class}" not in caption:
        raise ValueError("expected {class} in it, or all images had the same caption")
    return caption


class Reference(Section):
    """The reference training set R, whose similarity to the test sets is replicated."""

    source: LabelledSource = Field(
        EmojiSource(kind="emoji", part="reference"),
        description="Where the reference comes from.",
    )
    chunks: int = Field(1, ge=1, le=10_000, description="Number of chunks of the reference.")
    caption: Annotated[str, AfterValidator(_names_the_class)] = Field(
        "a photo of a {class}", description="Caption of every image; {class} is its class name."
    )


class TestSet(Section):
    """A labelled test set T."""

    __test__ = False  # not a pytest class

    source: LabelledSource = Field(description="Where the test images come from.")


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


class Emoji(Section):
    """The emoji study's rendering: how many classes, variants and faults."""

    seed: int = Field(0, ge=0, description="Seed of everything random in the rendering.")
    image_size: int = Field(40, ge=16, le=512, description="Side of the images, pixels.")
    pool_classes: int = Field(400, ge=2, description="Classes that occur in the pool.")
    test_classes: int = Field(80, ge=1, description="Classes of the test sets.")
    drawing_classes: int = Field(
        160,
        ge=0,
        description="Classes, none of them a test class, of which the reference holds drawings.",
    )
    pool_variants: int = Field(3, ge=1, description="Pool images per class and style.")
    reference_variants: int = Field(5, ge=1, description="Reference photos per test class.")
    drawing_variants: int = Field(2, ge=1, description="Reference drawings per class and style.")
    test_variants: int = Field(5, ge=1, description="Images per class of each test set.")
    duplicates: Fraction = Field(0.02, description="Exact copies, as a share of the pool.")
    near_duplicates: Fraction = Field(0.03, description="Near copies, as a share of the pool.")
    faults: Fraction = Field(
        0.03, description="Dead links, redirects, truncated files and non-images, a share."
    )
