"""Where the results of a study are."""

from collections.abc import Iterable, Sequence

from gapmatch.config.study import Study
from gapmatch.data.chunks import TEST_CHUNK
from gapmatch.subset.methods.gap_match import GapMatchSubset


def chunk_ids(chunks: int) -> list[str]:
    """Return the ids of so many chunks."""
    return [f"{chunk:05d}" for chunk in range(chunks)]


class Results:
    """The files of a study, as paths relative to the working directory.

    A name or chunk id may also be a Snakemake wildcard such as ``{chunk}``: the path is then a
    pattern.

    Attributes:
        study: The study.
        root: Folder of all its results.
        pool_chunks: Chunk ids of the pool.
        reference_chunks: Chunk ids of the reference.
        test_sets: Names of the test sets.
        labelled: Those whose images have classes, one or several each.
        classified: Those whose images have one class each.
        multilabel: Those whose images have several.
        retrieved: Those whose images have captions.
        per_class: Those that are judged by the mean accuracy of their classes.
        subsets: Names of the subsets.
        gap_matched: Those of method gap_match, and their settings.
        embedder: The embedder of the search.
        baseline: The subset that keeps the whole pool.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.root = f"results/{study.study}"
        self.pool_chunks = chunk_ids(study.pool.chunks)
        self.reference_chunks = chunk_ids(study.reference.chunks)
        self.test_sets = list(study.test_sets)
        have = {name: one.source.images_have for name, one in study.test_sets.items()}
        self.labelled = [name for name in have if have[name] != "captions"]
        self.classified = [name for name in have if have[name] == "class"]
        self.multilabel = [name for name in have if have[name] == "classes"]
        self.retrieved = [name for name in have if have[name] == "captions"]
        self.per_class = sorted(
            name for name, one in study.test_sets.items() if one.metric == "mean_per_class"
        )
        self.subsets = list(study.subsets)
        self.gap_matched = {
            name: subset
            for name, subset in study.subsets.items()
            if isinstance(subset, GapMatchSubset)
        }
        self.embedder = study.search.embedder
        self.baseline = study.figures.baseline

    def chunks(self, dataset: str) -> list[str]:
        """Return the chunk ids of a dataset."""
        own = {"pool": self.pool_chunks, "reference": self.reference_chunks}
        return own.get(dataset, [TEST_CHUNK])

    def data(self, dataset: str) -> list[str]:
        """Return the folders of a dataset's chunks."""
        return [f"{self.root}/data/{dataset}/{chunk}" for chunk in self.chunks(dataset)]

    def chunk_files(self, dataset: str) -> list[str]:
        """Return what describes each chunk of a dataset."""
        return [f"{folder}/chunk.json" for folder in self.data(dataset)]

    def embedded(self, embedder: str, dataset: str) -> str:
        """Return the folder of a dataset's embeddings and their metadata."""
        return f"{self.root}/embeddings/{embedder}/{dataset}"

    def vectors(self, embedder: str, dataset: str, chunk: str) -> str:
        """Return the embeddings of a chunk."""
        return f"{self.embedded(embedder, dataset)}/img_emb/img_emb_{chunk}.npy"

    def metadata(self, dataset: str, embedder: str | None = None) -> list[str]:
        """Return the metadata of a dataset's chunks, by the search's embedder or another."""
        folder = self.embedded(embedder or self.embedder, dataset)
        return [f"{folder}/metadata/metadata_{chunk}.parquet" for chunk in self.chunks(dataset)]

    def embeddings(self, embedder: str, dataset: str) -> list[str]:
        """Return the embeddings and the metadata of all chunks of a dataset."""
        vectors = [self.vectors(embedder, dataset, chunk) for chunk in self.chunks(dataset)]
        return vectors + self.metadata(dataset, embedder)

    def similarity(self, embedder: str, test_set: str = "") -> str:
        """Return the folder of what the search of a test set found; without one, of all."""
        return f"{self.root}/similarity/{embedder}/{test_set}".removesuffix("/")

    def reference_neighbours(self, embedder: str, test_set: str) -> str:
        """Return the nearest reference images of a test set."""
        return f"{self.similarity(embedder, test_set)}/reference_neighbours.parquet"

    def pool_neighbours(self, embedder: str, test_set: str) -> str:
        """Return the nearest pool images of a test set."""
        return f"{self.similarity(embedder, test_set)}/pool_neighbours.parquet"

    def chunk_neighbours(self, embedder: str, test_set: str, chunk: str) -> str:
        """Return the nearest images of a pool chunk for a test set."""
        return (
            f"{self.similarity(embedder, test_set)}/pool_neighbours/pool_neighbours_{chunk}.parquet"
        )

    def margins(self, embedder: str, test_set: str, chunk: str) -> str:
        """Return the margins of a pool chunk for a test set."""
        return f"{self.similarity(embedder, test_set)}/margins/margins_{chunk}.parquet"

    def subset_margins(self, subset: str) -> list[str]:
        """Return the margins that a subset is selected by."""
        embedder = self.study.subset_embedder(subset)
        return [
            self.margins(embedder, test_set, chunk)
            for test_set in self.study.subset_test_sets(subset)
            for chunk in self.pool_chunks
        ]

    def clustering(self, purpose: str) -> str:
        """Return the folder of the pool's clusters, those of deduplication or the study's own."""
        return f"{self.root}/{purpose}"

    def clusters(self, purpose: str, chunk: str) -> str:
        """Return the clusters of a pool chunk's samples."""
        return f"{self.clustering(purpose)}/clusters/clusters_{chunk}.parquet"

    def subset(self, subset: str) -> str:
        """Return the folder of a subset."""
        return f"{self.root}/subsets/{subset}"

    def kept(self, subset: str) -> str:
        """Return the folder of the kept rows of a subset."""
        return f"{self.subset(subset)}/kept"

    def kept_files(self, subset: str) -> list[str]:
        """Return the kept rows of a subset, chunk by chunk."""
        return [f"{self.kept(subset)}/kept_{chunk}.parquet" for chunk in self.pool_chunks]

    def summary(self, subset: str) -> str:
        """Return the summary of a subset."""
        return f"{self.subset(subset)}/summary.json"

    @property
    def learned_styles(self) -> str:
        """How the style classifier does on held-out examples."""
        return f"{self.root}/styles/learned.json"

    def styles(self, chunk: str) -> str:
        """Return the styles of a pool chunk's samples."""
        return f"{self.root}/styles/styles_{chunk}.parquet"

    def all_styles(self) -> list[str]:
        """Return the styles of the pool's samples; nothing where the study asks for none."""
        return [self.styles(chunk) for chunk in self.pool_chunks] if self.study.styles else []

    def diversity(self, subset: str) -> str:
        """Return the measures of a subset's diversity."""
        return f"{self.subset(subset)}/diversity.json"

    def own_clusters(self) -> list[str]:
        """Return the study's own clusters of the pool: centroids, and clusters by chunk."""
        if not self.study.clusters:
            return []
        chunks = [self.clusters("clustering", chunk) for chunk in self.pool_chunks]
        return [f"{self.clustering('clustering')}/centroids.npy", *chunks]

    def certificate(self, subset: str) -> str:
        """Return the certificate of a subset."""
        return f"{self.subset(subset)}/certificate.json"

    def nearest(self, subset: str) -> str:
        """Return the nearest similarities that the certificate of a subset measured."""
        return f"{self.subset(subset)}/nearest.parquet"

    def profile(self, subset: str) -> str:
        """Return the similarity profile that the certificate of a subset measured."""
        return f"{self.subset(subset)}/profile.parquet"

    @property
    def evaluations(self) -> str:
        """The folder of all evaluations."""
        return f"{self.root}/evaluations"

    def models(self, subsets: Iterable[str]) -> list[str]:
        """Return the folders of the evaluations of the models of subsets, seed by seed."""
        return [f"{subset}/seed{seed}" for subset in subsets for seed in self.study.training.seeds]

    def classifiers(self) -> list[str]:
        """Return the evaluations of the classifiers, below the folder of all, without suffix."""
        return [
            f"{name}/pretrained/{test_set}"
            for name, one in self.study.classifiers.items()
            for test_set in (self.labelled if one.test_sets == "all" else one.test_sets)
        ]

    def models_on(self, test_set: str) -> list[str]:
        """Return the folders of the evaluations of all models and classifiers on a test set."""
        classifiers = [path.rpartition("/") for path in self.classifiers()]
        return [
            *self.models(self.subsets),
            *(folder for folder, _, name in classifiers if name == test_set),
        ]

    def evaluated(self, models: Sequence[str], test_sets: Sequence[str] | None = None) -> list[str]:
        """Return the evaluations of models on test sets: summaries, then predictions.

        Args:
            models: Folders of the models' evaluations.
            test_sets: Names; by default those whose images have classes.
        """
        return [
            f"{self.evaluations}/{model}/{test_set}.{suffix}"
            for suffix in ("json", "parquet")
            for model in models
            for test_set in (self.labelled if test_sets is None else test_sets)
        ]

    def table(self, name: str, suffix: str = "csv") -> str:
        """Return a file of a table."""
        return f"{self.root}/tables/{name}.{suffix}"

    def figure(self, name: str, suffix: str = "png") -> str:
        """Return a file of a figure."""
        return f"{self.root}/figures/{name}.{suffix}"

    def browsed(self, test_set: str = "") -> str:
        """Return the page of test images and their neighbours, or what it shows of a test set.

        The stem of its pictures (a folder, and their table .parquet) and of its data (.js).
        """
        return f"{self.root}/browse/{f'data/{test_set}' if test_set else 'index.html'}"

    def shown_subsets(self) -> list[str]:
        """Return the baseline and what is gap-matched by the search's embedder.

        Similarities of two embedders do not compare.
        """
        same = [n for n in self.gap_matched if self.study.subset_embedder(n) == self.embedder]
        return [self.baseline, *same]

    def as_paper(self) -> list[str]:
        """Return the subsets that are gap-matched as the paper's.

        That is with rank 1, without offset, and with the whole reference in the training set.
        """
        return [
            name
            for name, one in self.gap_matched.items()
            if (one.rank, one.offset, one.reference) == (1, 0, 1)
        ]

    def certified(self) -> list[str]:
        """Return the subsets that get a certificate: the baseline and what is gap-matched."""
        return list(dict.fromkeys([self.baseline, *self.gap_matched]))

    def has_styles(self) -> bool:
        """Return whether the samples of the pool have classes and styles to count them by."""
        return self.study.pool.source.styled

    def matched_alone(self) -> list[str]:
        """Return the test sets that a subset is matched to alone, where the pool has styles."""
        tests = [self.study.subset_test_sets(name) for name in self.gap_matched]
        alone = [names[0] for names in tests if len(names) == 1]
        return list(dict.fromkeys(alone)) if self.has_styles() else []

    @property
    def human_check(self) -> str:
        """The folder of the human check's trials."""
        return f"{self.root}/human_check"

    @property
    def trials(self) -> str:
        """The trials of the human check."""
        return f"{self.human_check}/trials.parquet"

    def trial_similarity(self, embedder: str) -> str:
        """Return the similarities that an embedder gives to the images of the trials."""
        return f"{self.human_check}/similarity_{embedder}.parquet"

    def checked_embedders(self) -> list[str]:
        """Return the embedders that people are compared with."""
        check = self.study.human_check
        return list((check.embedders or self.study.embedders) if check else [])

    def responses(self) -> list[str]:
        """Return the exports of the human check's raters; none where the study names no folder."""
        return self.study.human_check.exports() if self.study.human_check else []

    def log(self, rule: str, wildcards: str = "") -> str:
        """Return the log of a rule, with a file for each combination of its wildcards."""
        return f"{self.root}/logs/{'/'.join(filter(None, [rule, wildcards]))}.log"

    def benchmark(self, rule: str, wildcards: str = "") -> str:
        """Return the benchmark of a rule, with a file for each combination of its wildcards."""
        return f"{self.root}/benchmarks/{'/'.join(filter(None, [rule, wildcards]))}.tsv"
