"""How many worker processes a provider is worth.

Little's law (Little 1961, "A Proof for the Queuing Formula L = λW", doi:10.1287/opre.9.3.383): calls that come or are
drained at a rate keep rate x latency of them under way. More than that many threads find nothing to do; more than a
provider's limits admit would only wait for leave.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from mirepoix.config import Config, Limits, Workers

ASSUMED_LATENCY = 2.0
"""Seconds of a call, as long as no answer tells."""
SHORTEST_DRAIN = 0.25
"""Of the time to drain; what has waited longer than all of it is not to be gone in no time."""
FULL = 0.7
"""Processes are taken away when those that stay would be no fuller, so that a small ebb takes away none."""
ENOUGH = 10
"""So many requests say something about how many fail."""
MOST_FAILING = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """What a provider has to do, and who is there for it.

    `waiting` calls, the oldest for `oldest` seconds; `held` calls in the hands of `running` processes. `latency` is the
    mean seconds and `tokens` the mean tokens of a call, None: not known. Of its newest `ended` requests `failed` have
    no answer. `shut` says why it is left alone at this moment; None: it is not.
    """

    waiting: int = 0
    oldest: float = 0.0
    held: int = 0
    running: int = 0
    latency: float | None = None
    tokens: float | None = None
    ended: int = 0
    failed: int = 0
    shut: str | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """How many calls at once limits can feed, infinitely many without any; `by` names what bounds them."""

    calls: float = math.inf
    by: str = "no limit"


@dataclass(frozen=True, slots=True)
class Sizing:
    """How many processes, beside how many are `running`, and why.

    `wanted` and `fed` are calls at once: what there is to do, and what limits feed.
    """

    workers: int
    running: int
    wanted: float
    fed: float
    reason: str


def feed(config: Config, provider: str, latency: float, tokens: float | None) -> Feed:
    """What the limits of `provider`, and those of its models together, feed when a call takes `latency` seconds."""
    own = config.providers[provider].limits
    models = [_feed(model.limits, latency, tokens) for model in config.models.values() if model.provider == provider]
    together = Feed(sum(each.calls for each in models), "its models' limits") if models else Feed()
    return min(_feed(own, latency, tokens), together, key=lambda each: each.calls)


def size(config: Config, provider: str, load: Load) -> Sizing:
    """How many worker processes `provider` is worth under `load`.

    At the most as many as its limits can feed, but in any case from `least` to `most` of its `workers`.
    """
    spec = config.providers[provider]
    latency = ASSUMED_LATENCY if load.latency is None else load.latency
    drain = max(spec.workers.drain - load.oldest, SHORTEST_DRAIN * spec.workers.drain)
    wanted = load.held + min(load.waiting, load.waiting / drain * latency)
    fed = feed(config, provider, latency, load.tokens)
    threads = spec.concurrency
    least = math.ceil(wanted / threads)
    most = min(math.ceil(wanted / threads / FULL), _processes(fed.calls / threads))
    count, notes = min(max(load.running, least), most), []
    if wanted > fed.calls:
        notes.append(f"{fed.by} feeds no more than {fed.calls:.1f} at once")
    if count > least:
        notes.append(f"{least} would be enough, and fuller than {FULL:.0%}")
    trouble = _trouble(load)
    if trouble is not None and count > max(load.running, 1):
        count = max(load.running, 1)  # one at least: somebody has to find out that the trouble is over
        notes.append(f"no more are added while {trouble}")
    bounded = _within(spec.workers, count)
    if bounded != count:
        notes.append(f"workers: {spec.workers.least} to {spec.workers.most}")
    reason = "; ".join([_need(load, latency, drain, wanted, threads), *notes])
    return Sizing(bounded, load.running, wanted, fed.calls, reason)


def most_useful(config: Config, provider: str) -> int:
    """The most processes that can ever be useful: as many as limits feed when each call takes all of its time-out."""
    spec = config.providers[provider]
    fed = feed(config, provider, spec.timeout, tokens=None)
    return int(_within(spec.workers, min(_processes(fed.calls / spec.concurrency), spec.workers.most)))


def _feed(limits: Limits, latency: float, tokens: float | None) -> Feed:
    return min(_feeds(limits, latency, tokens), key=lambda each: each.calls, default=Feed())


def _feeds(limits: Limits, latency: float, tokens: float | None) -> Iterable[Feed]:
    if limits.concurrency is not None:
        yield Feed(limits.concurrency, f"concurrency: {limits.concurrency}")
    if limits.rpm is not None:
        yield Feed(limits.rpm / 60 * latency, f"rpm: {limits.rpm}")
    if limits.tpm is not None and tokens:
        yield Feed(limits.tpm / 60 / tokens * latency, f"tpm: {limits.tpm}")


def _processes(share: float) -> float:
    """Whole processes, one at least: a provider that may be asked at all needs one."""
    return share if math.isinf(share) else max(1, math.ceil(share))


def _within(workers: Workers, count: float) -> int:
    return int(min(max(count, workers.least), workers.most))


def _trouble(load: Load) -> str | None:
    if load.shut is not None:
        return load.shut
    if load.ended >= ENOUGH and load.failed > MOST_FAILING * load.ended:
        return f"{load.failed} of the last {load.ended} requests failed"
    return None


def _need(load: Load, latency: float, drain: float, wanted: float, threads: int) -> str:
    waiting = f"{load.waiting} calls wait" + (f" (the oldest for {load.oldest:.0f} s)" if load.waiting else "")
    each = f"{latency:.2f} s a call" + ("" if load.latency is not None else " (assumed; none was answered of late)")
    cleared = f", cleared in {drain:.0f} s at {each}" if load.waiting else ""
    return f"{waiting}, {load.held} are in hand{cleared}: {wanted:.1f} at once, {threads} a process"
