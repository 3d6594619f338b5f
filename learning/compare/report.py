"""A report as JSON, and as tables for a screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from learning.compare.crossfit import LEARNED, METHODS, POOLED
from learning.compare.results import CrossFit, Figure, FileResult, MethodResult, Report

CHOSEN = "0.99"
MOST_SHARES = 3
COLUMNS = (
    "method",
    "APGR",
    "CPT 50/80 %",
    "area",
    "saved at 100 %",
    "saved at 99 %",
    "saved at 95 %",
    "for 99 %: USD",
    "right",
    "of strong %",
    "saved %",
    "asked",
)
RIVALS = tuple(name for name in METHODS if name != LEARNED)
CROSS_FIT_COLUMNS = ("file", "questions", LEARNED, *(f"ahead of {name}" for name in RIVALS))
CROSS_FIT = "Routers of a pair in folds, all questions unseen: APGR of the learned one, and by how much it is ahead"
SURELY = " *"
LEGEND = (
    "Shares are percent, USD are for 1,000 questions, intervals 95 %. APGR and CPT are RouteLLM's (arXiv:2406.18665), "
    "over the share of calls to the strong model, or, where * stands, of its extra cost; area is the mean quality that "
    "a budget between cheap and strong buys. 'saved at' is read off the curve of unseen questions; 'for 99 %' is what "
    "a setting did there that was chosen on the other half."
)


def as_json(report: Report) -> dict[str, Any]:
    """Everything that was found."""
    return asdict(report)


def heading(result: FileResult) -> str:
    """What a file's table is about."""
    (cheap, cheap_usd), (strong, strong_usd) = result.models[result.cheap], result.models[result.strong]
    return (
        f"{result.name}: {len(result.models)} models; learned from {result.questions['train']} questions, reported on "
        f"{result.questions['test']}; cheap {result.cheap} ({percent(cheap)} right, {1_000 * cheap_usd:.3f} USD for "
        f"1,000), strong {result.strong} ({percent(strong)}, {1_000 * strong_usd:.3f} USD)"
    )


def rows(result: FileResult) -> Iterator[tuple[str, ...]]:
    """The table of a file, in the order of `COLUMNS`."""
    for method in result.methods:
        yield _row(method)


def footnotes(result: FileResult) -> Iterator[str]:
    """What stands below a file's table."""
    if result.router is not None:
        router = result.router
        worst = max(router.ece, key=lambda model: router.ece[model])
        yield (
            f"learned router: {router.bytes / 1e6:.2f} MB; for 2,000 characters {router.p50_ms:.2f} ms at the median, "
            f"{router.p99_ms:.2f} ms at the 99th percentile; calibration error {mean(router.ece.values()):.3f} on "
            f"average, {router.ece[worst]:.3f} at most ({worst})"
        )
    for promise in result.promises:
        yield (
            f"{promise.method}, target_quality {promise.target:g}: met within a point in {promise.met} of "
            f"{promise.splits} splits (from {percent(min(promise.relative))} to {percent(max(promise.relative))}), "
            f"saved {percent(mean(promise.saved))}"
        )
    yield from result.notes


def cross_fit_row(crossed: CrossFit) -> tuple[str, ...]:
    """A row in the order of `CROSS_FIT_COLUMNS`."""
    leads = (crossed.leads[name] for name in RIVALS)
    ahead = (signed(lead.apgr) + (SURELY if lead.surely else "") for lead in leads)
    return (crossed.name, f"{crossed.questions:,}", gap(crossed.apgr[LEARNED]), *ahead)


def sure_leads(crossed: Sequence[CrossFit]) -> str:
    """What the table of leads proves, in sentences."""
    leads = [(one.name, rival, lead) for one in crossed for rival, lead in one.leads.items()]
    if not leads:
        return "In no file is another model better than the cheapest: there is no pair to compare routers of."
    told = [f"Intervals are of each difference alone;{SURELY} is no chance even among all {len(leads)} together."]
    for what, sign in (("ahead of", 1), ("behind", -1)):
        proved: dict[str, list[str]] = {}
        for name, rival, lead in leads:
            if lead.surely and sign * (lead.quality[0] or 0) > 0:
                proved.setdefault(rival, []).append(name)
        each = "; ".join(f"{rival} on {', '.join(names)}" for rival, names in proved.items())
        told.append(f"The learned router is surely {what} {each or 'none'}.")
    files = [", ".join(one.files) for one in crossed if one.name == POOLED]
    return " ".join([*told, *(f"{POOLED.capitalize()} is the mean of {names}." for names in files)])


def _row(method: MethodResult) -> tuple[str, ...]:
    reached = method.reached.get(CHOSEN)
    chosen = ("", "", "", "", "")
    if reached is not None:
        usd = reached.cost_usd[0]
        chosen = (
            "-" if usd is None else f"{1_000 * usd:.3f}",
            percent(reached.quality[0]),
            spread(reached.relative, 1),
            spread(reached.saved),
            _asked(reached.shares),
        )
    return (
        method.method,
        gap(method.apgr) + ("" if method.axis == "calls" or method.apgr[0] is None else " *"),
        " / ".join(percent(value[0]).removesuffix(" %") for value in method.cpt.values()),
        number(method.area[0]),
        *(spread(value) for value in method.saved.values()),
        *chosen,
    )


def gap(figure: Figure) -> str:
    """An APGR with its interval."""
    value, low, high = figure
    return "-" if value is None else f"{value:.3f} ({number(low)}-{number(high)})"


def _asked(shares: Mapping[str, float]) -> str:
    most = sorted(shares.items(), key=lambda item: -item[1])
    told = [f"{model} {share:.0%}" for model, share in most[:MOST_SHARES]]
    return ", ".join(told) + (", …" if len(most) > MOST_SHARES else "")


def spread(figure: Figure, digits: int = 0) -> str:
    """A share with its interval, in percent."""
    if figure[0] is None:
        return "-"
    value, low, high = ("-" if one is None else f"{100 * one + 0.0:.{digits}f}" for one in figure)
    return f"{value} ({low} to {high})"


def signed(figure: Figure) -> str:
    """A difference of APGR with its interval."""
    if figure[0] is None:
        return "-"
    value, low, high = ("-" if one is None else f"{one:+.3f}" for one in figure)
    return f"{value} ({low} to {high})"


def percent(value: float | None) -> str:
    """In percent; a hyphen for what is not defined."""
    return "-" if value is None else f"{100 * value:.1f} %"


def number(value: float | None) -> str:
    """Three digits; a hyphen for what is not defined."""
    return "-" if value is None else f"{value:.3f}"


def mean(values: Any) -> float:
    """Of a collection that is not empty."""
    known: Sequence[float] = list(values)
    return sum(known) / len(known)
