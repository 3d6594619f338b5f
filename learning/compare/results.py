"""What the benchmark found, as it is printed and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Figure = tuple[float | None, float | None, float | None]
"""A value and the ends of its 95 % interval; None where it is not defined."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What one setting, chosen on the training half for a target, did on unseen questions.

    `relative` is its quality as a share of the strong model's, `saved` the share of the strong model's cost that it did
    not spend, `shares` the mean number of calls of each model for a question.
    """

    quality: Figure
    relative: Figure
    cost_usd: Figure
    saved: Figure
    shares: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class MethodResult:
    """A method's curve (see `learning.compare.metrics`), and the settings that targets chose, by target.

    `axis` tells over what APGR and CPT are taken: the share of `calls` to the strong model, or of its extra `cost`.
    `saved` is read off the curve of unseen questions, by share of the strong model's quality. `apgr_behind` is by how
    much its APGR is less than that of the learned router with the same axis, paired by question. `curve` are (cost in
    USD, quality).
    """

    method: str
    axis: Literal["calls", "cost"]
    apgr: Figure
    cpt: Mapping[str, Figure]
    saved: Mapping[str, Figure]
    area: Figure
    apgr_behind: Figure
    reached: Mapping[str, Reached]
    curve: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Bin:
    """Questions of which a like chance was predicted: the mean of it, the share answered rightly, how many."""

    predicted: float
    right: float
    questions: int


@dataclass(frozen=True, slots=True)
class RouterFacts:
    """The learned router itself: its file, how quick it is on one core, and how far its chances can be believed.

    `ece` is the expected calibration error of each model's chances on unseen questions.
    """

    hash: str
    bytes: int
    p50_ms: float
    p99_ms: float
    ece: Mapping[str, float]
    reliability: Mapping[str, list[Bin]]


@dataclass(frozen=True, slots=True)
class Promise:
    """A `target_quality` set on one half of the questions, on the other half, in several random splits.

    `relative` are the qualities reached, as shares of the best single model's. Met: no more than a point below.
    """

    method: str
    target: float
    met: int
    splits: int
    relative: list[float]
    saved: list[float]


@dataclass(frozen=True, slots=True)
class FileResult:
    """What was found on one file. Costs are USD for a question; `seconds` are of one core, for the methods."""

    name: str
    questions: Mapping[str, int]
    models: Mapping[str, tuple[float, float]]
    cheap: str
    strong: str
    trained_on: str
    notes: list[str]
    methods: list[MethodResult]
    router: RouterFacts | None
    promises: list[Promise]
    seconds: float


@dataclass(frozen=True, slots=True)
class Lead:
    """By how much the learned router is ahead of a rival, question by question: APGR, and mean quality over all calls.

    `surely`: the difference of quality is no chance, even among all the differences of the run together.
    """

    apgr: Figure
    quality: Figure
    surely: bool


@dataclass(frozen=True, slots=True)
class CrossFit:
    """APGR of each router of a pair where each question was predicted by what learned from others, and who is ahead.

    Of one file, or the mean of several `files`.
    """

    name: str
    files: list[str]
    questions: int
    apgr: Mapping[str, Figure]
    leads: Mapping[str, Lead]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that could not be reported on."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run, and what to know to repeat it. `splits` are those by which promises are counted."""

    versions: Mapping[str, str]
    split: str
    seed: int
    resamples: int
    splits: int
    seconds: float
    files: list[FileResult]
    cross_fits: list[CrossFit]
    skipped: list[Skipped]
