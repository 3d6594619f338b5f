"""What `train` and `evaluate` have in common: where outcomes and routers come from, and how a report is shown."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import screen
from db.routers import Version, find_version, list_versions, load_file
from mirepoix.client import Client
from mirepoix.config import Config
from mirepoix.errors import ConfigError, InputError
from mirepoix.ledger.search import SearchFields
from mirepoix.prices import Usage, cost
from mirepoix.states import JobState, TrainedKind

if TYPE_CHECKING:
    from learning.outcomes import Outcome, Prices
    from learning.report import Estimate, Measured, Report
    from pipelines.learned.model import LearnedRouter

THOUSAND = 1000


class Source(StrEnum):
    """Where outcomes come from."""

    TRACES = "traces"
    LABELS = "labels"


TargetQuality = Annotated[
    float, typer.Option(min=0, max=1, help="The share of the best model's quality at which it is measured.")
]


def require_training() -> None:
    """Raise InputError unless the extra `train` is installed."""
    try:
        import learning.train  # noqa: F401  whether it can be imported is the question
    except ImportError as error:
        raise InputError("training and measuring routers needs more: pip install 'mirepoix[train]'.") from error


def gather_outcomes(
    client: Client, labels: Path | None, since: datetime | None, pipeline: str | None, tenant: str | None
) -> list[Outcome]:
    """Those in the file, with costs by the prices of mirepoix.yaml where it tells none; else those of the ledger."""
    from learning.outcomes import read_outcomes
    from learning.traces import outcomes_of

    if labels is not None:
        return read_outcomes(labels, _prices(client.config))
    fields: SearchFields = {"state": JobState.SUCCEEDED, "since": since, "pipeline": pipeline, "tenant": tenant}
    return outcomes_of(client.export(**fields), client.config)


def _prices(config: Config) -> Prices:
    from learning.outcomes import Prices, TokenPrice

    known = {}
    for key, model in config.models.items():
        provider = config.providers[model.provider]
        try:
            sent, received = (
                cost(model, provider.api, usage, provider.prices_of) / THOUSAND
                for usage in (Usage(input=THOUSAND, output=0), Usage(input=0, output=THOUSAND))
            )
        except ConfigError:  # no price is known; who needs one says so
            continue
        known[key] = TokenPrice(sent, received)
    return Prices(known, {})


def current_router(client: Client, name: str) -> LearnedRouter | None:
    """The router that decides under `name`, if there is one."""
    from pipelines.learned.model import LearnedRouter

    with client.database.read() as connection:
        current = next((version for version in list_versions(connection, name) if version.current), None)
        return None if current is None else LearnedRouter.from_bytes(load_file(connection, current.hash))


def load_version(client: Client, name: str, hash_: str | None) -> tuple[Version, LearnedRouter]:
    """The version whose hash begins so; without one that which decides, or, before any does, the newest."""
    from pipelines.learned.model import LearnedRouter

    with client.database.read() as connection:
        if hash_ is None:
            hash_ = next((version.hash for version in list_versions(connection, name) if version.current), None)
        version = find_version(connection, name, hash_)
        if version.kind is not TrainedKind.ROUTER:
            raise InputError(f"{name!r} is the name of a {version.kind}, which is no router.")
        return version, LearnedRouter.from_bytes(load_file(connection, version.hash))


def print_report(report: Report) -> None:
    """Who was how good at what cost, and what follows from it."""
    rows = [(model, f"{quality:.4f}", f"{usd:.6f}", "", "") for model, (quality, usd) in report.models.items()]
    ways = {"this router": report.router, "the current router": report.current, "the best single model": report.single}
    rows += [_row(name, way) for name, way in ways.items() if way is not None]
    title = f"{report.questions} questions that it did not learn from, target quality {report.target_quality:g}"
    screen.print_table(["who", "quality", "USD a question", "area", "asks"], rows, title=title)
    screen.out.print(report.verdict, markup=False, highlight=False)


def _row(name: str, way: Measured) -> tuple[str, str, str, str, str]:
    asks = ", ".join(f"{model} {share:.0%}" for model, share in way.shares.items() if share)
    return (name, _interval(way.quality, 4), _interval(way.cost, 6), _interval(way.area, 4), asks)


def _interval(one: Estimate, digits: int) -> str:
    return f"{one.value:.{digits}f} ({one.low:.{digits}f} - {one.high:.{digits}f})"
