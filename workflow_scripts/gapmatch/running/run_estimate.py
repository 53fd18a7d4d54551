"""When a run will end, from the jobs that are done and what the others are expected to take."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

MINUTE, HOUR, DAY = 60, 3_600, 86_400


@dataclass(frozen=True)
class Planned:
    """The jobs of a rule that are to be run.

    Attributes:
        jobs: Their number.
        runtime: Minutes that one may take, where the rule's resources tell.
    """

    jobs: int
    runtime: float | None


@dataclass(frozen=True)
class UnderWay:
    """A job under way.

    Attributes:
        rule: Name of its rule.
        seconds: Time that it has taken so far.
        left: Seconds until it ends, where its log tells.
    """

    rule: str
    seconds: float
    left: float | None


@dataclass(frozen=True)
class Estimate:
    """How far a run is.

    Attributes:
        share: Of the work, 0 to 1, what is done.
        left: Seconds until the run ends.
    """

    share: float
    left: float

    @property
    def percent(self) -> int:
        """Whole percent of the work done: the rest is small, but not over."""
        return min(99, int(100 * self.share))


@dataclass
class Taken:
    """What the jobs of a rule that have ended well took.

    Attributes:
        jobs: Their number.
        seconds: Their sum.
    """

    jobs: int = 0
    seconds: float = 0.0

    @property
    def mean(self) -> float:
        """Seconds of a job."""
        return self.seconds / self.jobs


class RunEstimate:
    """Weighs the jobs of a run by the seconds that each takes.

    Args:
        planned: The jobs of every rule.
    """

    def __init__(self, planned: Mapping[str, Planned]) -> None:
        self.planned = planned
        self.finished: dict[str, Taken] = defaultdict(Taken)

    def finish(self, rule: str, seconds: float) -> None:
        """Count a job that has ended well."""
        self.finished[rule].jobs += 1
        self.finished[rule].seconds += seconds

    def estimate(self, passed: float, under_way: Sequence[UnderWay]) -> Estimate | None:
        """Return how far the run is; None before any job has finished.

        The rest is expected to go on as fast as the run went so far, jobs side by side included,
        and to last as long as the longest job under way.

        Args:
            passed: Seconds since the run began.
            under_way: All jobs under way.
        """
        done = sum(taken.seconds for taken in self.finished.values())
        done += sum(job.seconds for job in under_way)
        if not self.finished or not done:
            return None
        weights = {rule: self._seconds(rule, under_way) for rule in self.planned}
        rests = [_rest(job, weights) for job in under_way]
        remaining = sum(rests) + sum(
            weights[rule] * self._waiting(rule, under_way) for rule in self.planned
        )
        longest = max((job.left or 0.0 for job in under_way), default=0.0)
        left = max(passed * remaining / done, longest)
        return Estimate(done / (done + remaining), left)

    def _waiting(self, rule: str, under_way: Sequence[UnderWay]) -> int:
        """Return how many jobs of a rule have not begun."""
        begun = sum(job.rule == rule for job in under_way)
        if rule in self.finished:
            begun += self.finished[rule].jobs
        return max(0, self.planned[rule].jobs - begun)

    def _seconds(self, rule: str, under_way: Sequence[UnderWay]) -> float:
        """Return a job's seconds: as finished jobs took, as running logs say, or as expected."""
        if rule in self.finished:
            return self.finished[rule].mean
        told = [
            job.seconds + job.left for job in under_way if job.rule == rule and job.left is not None
        ]
        return mean(told) if told else self._prior(rule)

    def _prior(self, rule: str) -> float:
        """Return the expected seconds of a job where no job of its rule has told anything yet.

        It is expected to take the share of its runtime that the other rules took of theirs. All
        rules count alike: weighed by their jobs or times, one rule with an odd runtime decides.
        """
        runtime = self.planned[rule].runtime
        shares = [
            taken.mean / allowed
            for name, taken in self.finished.items()
            if name in self.planned and (allowed := self.planned[name].runtime)
        ]
        if runtime is None or not shares:
            return mean(taken.mean for taken in self.finished.values())
        return runtime * mean(shares)


def _rest(job: UnderWay, weights: Mapping[str, float]) -> float:
    """Return the seconds that a job under way still takes."""
    if job.left is not None:
        return job.left
    return max(0.0, weights.get(job.rule, 0.0) - job.seconds)


def about(seconds: float) -> str:
    """Return a time without a precision that an estimate does not have."""
    minutes = seconds / MINUTE
    if minutes < 1:
        return "less than a minute"
    if round(minutes) < 10:
        return f"about {round(minutes)} min"
    if minutes < 57.5:
        return f"about {5 * round(minutes / 5)} min"
    if seconds < 10 * HOUR:
        hours, tens = divmod(round(minutes / 10), 6)
        return f"about {hours} h {10 * tens} min" if tens else f"about {hours} h"
    if seconds < 2 * DAY:
        return f"about {round(seconds / HOUR)} h"
    return f"about {round(seconds / DAY)} days"
