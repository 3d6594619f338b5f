"""`tune`: find the cheapest order, agreement and threshold for a quality, from outcomes that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import context, found, screen
from cli.screen import Json
from cli.times import parse_moment
from cli.training import Source, gather_outcomes, require_training
from db.routers import list_versions, load_file, store_version
from mirepoix.config import Config
from mirepoix.errors import InputError, NotFound
from mirepoix.ledger.tables import now
from mirepoix.spec import Call, Numbers, SameAs
from mirepoix.states import TrainedKind
from mirepoix.strict import unknown
from pipelines.labelled import find_cascade

if TYPE_CHECKING:
    from learning.outcomes import Outcome
    from learning.tune import Choice, Interval, Measured, Tuning
    from pipelines.learned.answer_policy import AnswerPolicy

POLICY = "NAME"
"""Stands in the YAML for the name of a policy that was not kept."""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(name="tune")(tune_cascade)


def tune_cascade(
    pipeline: Annotated[str | None, typer.Argument(help="A pipeline with a cascade, whose tiers are tuned.")] = None,
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="JSON lines: id, question, score, pred, cost of each model.")
    ] = None,
    source: Annotated[Source, typer.Option("--from", help="The ledger, or the files of --data.")] = Source.LABELS,
    since: found.Since = None,
    traffic: Annotated[
        str | None, typer.Option("--pipeline", help="Of the ledger, only jobs of this pipeline.")
    ] = None,
    tenant: found.Tenant = None,
    tiers: Annotated[str | None, typer.Option(help="Models of the data, with commas; else those of PIPELINE.")] = None,
    target_quality: Annotated[
        float, typer.Option(min=0, max=2, help="A share of the quality of the best single model.")
    ] = 1.0,
    prices: Annotated[Path | None, typer.Option(help="JSON: usd_per_token of each model.")] = None,
    tolerance: Annotated[
        float | None, typer.Option(min=0, max=0.99, help="Compare numbers, within this share, and not texts.")
    ] = None,
    keep: Annotated[str | None, typer.Option(metavar="NAME", help="Keep the policy, to be promoted.")] = None,
    seed: Annotated[int, typer.Option(help="Which half is chosen from.")] = 1,
    json: Json = False,
) -> None:
    """Find the cheapest way of asking models for a quality. Exits 1 when none can promise it.

    Chosen from one half of the data, measured on the other, and shown with the YAML to paste.
    """
    require_training()
    models = _models(pipeline, tiers)
    if source is Source.TRACES:
        if data or prices:
            raise InputError("`--from traces` takes neither --data nor --prices.")
        outcomes, models = _from_traces(models, since, traffic, tenant)
    else:
        outcomes = _read(data or [], prices)
    by = SameAs() if tolerance is None else SameAs(numbers=Numbers(relative=tolerance))
    from learning.tune import tune

    deciding = None if keep is None else _deciding(keep)
    current = None if deciding is None else deciding[1]
    tuned = tune(outcomes, target_quality, models=models, by=by, current=current, seed=seed)
    if keep is not None:
        _keep(keep, tuned, outcomes, seed, None if deciding is None else deciding[0])
    if json:
        screen.print_json(_as_json(tuned, keep))
    else:
        _print(tuned, keep)
    raise typer.Exit(0 if tuned.reached else 1)


def _from_traces(
    models: tuple[str, ...] | None, since: str | None, pipeline: str | None, tenant: str | None
) -> tuple[list[Outcome], tuple[str, ...]]:
    """The questions of the ledger of which score and cost of each of `models` are known (default: those known well)."""
    from learning.known import knows_all, models_known

    with context.client() as client:
        begin = None if since is None else parse_moment(since, now())
        told = gather_outcomes(client, None, begin, pipeline, tenant)
    names = models or models_known(told)
    whole = [outcome for outcome in told if knows_all(outcome, names)]
    if len(names) < 2 or not whole:
        raise InputError(
            f"no question of {len(told)} in the ledger tells score and cost of each of two models or more "
            f"({', '.join(names) or 'none is known well'}): let all answer the same questions "
            "(`mirepoix replay --live`, an ensemble), and say how right they were (`mirepoix feedback`)."
        )
    return whole, names


def _read(paths: Sequence[Path], prices: Path | None) -> list[Outcome]:
    from learning.outcomes import NO_PRICES, read_outcomes, read_prices

    if not paths:
        raise InputError("--data is missing: a file of outcomes to learn from, or `--from traces`.")
    known = NO_PRICES if prices is None else read_prices(prices)
    return [outcome for path in paths for outcome in read_outcomes(path, known)]


def _models(pipeline: str | None, tiers: str | None) -> tuple[str, ...] | None:
    """The models to tune; None for all that the data has."""
    if tiers is not None:
        return tuple(name.strip() for name in tiers.split(",") if name.strip())
    if pipeline is None:
        return None
    config: Config = context.config(context.settings())
    if pipeline not in config.pipelines:
        raise NotFound(unknown(f"pipeline {pipeline!r}", pipeline, config.pipelines))
    node = find_cascade(config.pipelines[pipeline], None).node
    calls = [tier for tier in getattr(node, "tiers", ()) if isinstance(tier, Call)]
    return tuple(call.model for call in calls)


def _deciding(name: str) -> tuple[str, AnswerPolicy] | None:
    """The hash of the policy that decides under `name`, and the policy; None where there is none."""
    from pipelines.learned.answer_policy import AnswerPolicy as Policy

    with context.client() as client, client.database.read() as connection:
        current = next((version for version in list_versions(connection, name) if version.current), None)
        if current is None:
            return None
        if current.kind is not TrainedKind.POLICY:
            raise InputError(f"{name!r} is a {current.kind}; keep the policy under another name.")
        return current.hash, Policy.from_bytes(load_file(connection, current.hash))


def _keep(name: str, tuned: Tuning, outcomes: Sequence[Outcome], seed: int, compared_with: str | None) -> None:
    """Train the policy again, on all outcomes, and store it under `name` with what `promote` asks about."""
    from learning.policies import train_policy

    policy = train_policy(outcomes, tuned.learned.models, by=tuned.by, seed=seed)
    report = {
        "questions": len(outcomes),
        "target_quality": tuned.target,
        **_measured_json(tuned.learned.held_out),
        "better": tuned.better,
        "verdict": tuned.verdict,
        "compared_with": compared_with,
    }
    with context.client() as client, client.database.write() as connection:
        store_version(connection, name, TrainedKind.POLICY, policy.to_bytes(), report)


def _as_json(tuned: Tuning, keep: str | None) -> dict[str, Any]:
    return {
        "target_quality": tuned.target,
        "reached": tuned.reached,
        "best_single_model": tuned.reference,
        "chosen_from": tuned.chosen_from,
        "measured_on": tuned.measured_on,
        "learned_policy": {"better": tuned.better, "verdict": tuned.verdict},
        "choices": [
            {
                "way": choice.way,
                "chosen": choice is tuned.chosen,
                "promised": round(choice.safe, 4),
                "cost_usd": choice.held_out.cost,
                **_measured_json(choice.held_out),
                "yaml": _yaml(choice, tuned, keep),
            }
            for choice in tuned.choices
        ],
    }


def _measured_json(measured: Measured) -> dict[str, Any]:
    return {"quality": asdict(measured.quality), "saved": asdict(measured.saved), "asked": measured.shares}


def _print(tuned: Tuning, keep: str | None) -> None:
    rows = [
        (
            choice.way,
            f"{choice.safe:.3f}",
            _interval(choice.held_out.quality, 3),
            _interval(choice.held_out.saved, 2),
            f"{choice.held_out.cost:.6f}",
            ", ".join(f"{model} {share:.0%}" for model, share in choice.held_out.shares.items()),
            "<- cheapest that can promise it" if choice is tuned.chosen and tuned.reached else "",
        )
        for choice in tuned.choices
    ]
    title = (
        f"Chosen from {tuned.chosen_from} questions, measured on {tuned.measured_on} others, target {tuned.target:g}"
    )
    screen.print_table(["way", "promised", "quality", "cost saved", "USD", "asked", "note"], rows, title=title)
    say = screen.out.print
    say(f"1 is {tuned.reference} alone, the best single model.", markup=False, highlight=False)
    say(f"The learned policy is {tuned.verdict}.", markup=False, highlight=False)
    if not tuned.reached:
        say(f"Nothing can promise {tuned.target:g} on so many questions; shown is what promises most.", markup=False)
    say("\n" + _yaml(tuned.chosen, tuned, keep), markup=False, highlight=False)


def _interval(interval: Interval, digits: int) -> str:
    return f"{interval.mean:.{digits}f} ({interval.low:.{digits}f} - {interval.high:.{digits}f})"


def _yaml(choice: Choice, tuned: Tuning, keep: str | None) -> str:
    """What to paste."""
    if len(choice.models) == 1:
        return f"call: {{model: {choice.models[0]}}}"
    tiers = ", ".join(f"{{call: {{model: {model}}}}}" for model in choice.models)
    sense = f", by: {{numbers: {{relative: {tuned.by.numbers.relative:g}}}}}" if tuned.by.numbers else ""
    if choice.cascade is None:
        ending = f"policy: {{learned: {keep or POLICY}, target_quality: {tuned.target:g}{sense}}}"
    else:
        ending = f"accept: {{agreement: {{of: {choice.cascade.agreement}{sense}}}}}"
    return f"cascade:\n  tiers: [{tiers}]\n  {ending}"
