"""`whatif`: what another configuration would have cost, taken and answered, by what is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli import context, screen
from cli.labels import read_labels
from cli.screen import Json
from cli.times import parse_moment
from db.ended import ended_job_ids, ended_shadow_ids
from mirepoix.config import Config
from mirepoix.config_file import load_config
from mirepoix.errors import ConfigError, InputError, NotFound
from mirepoix.ledger.read import read_trace
from mirepoix.ledger.tables import now
from mirepoix.strict import unknown
from pipelines.check import check_config
from pipelines.whatif import Evaluation, WhatIf, estimate
from pipelines.whatif.estimate import Amount, Quality
from tasks.trained import LedgerFiles


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(whatif)


def whatif(
    policy: Annotated[Path, typer.Option(help="Another mirepoix.yaml: other routes, thresholds, models or prices.")],
    pipeline: Annotated[str | None, typer.Option(help="Only jobs of this pipeline.")] = None,
    since: Annotated[str, typer.Option(help="How far back: 12h, 7d, 4w, or a date.")] = "7d",
    labels: Annotated[
        Path | None, typer.Option(help="JSONL: {job, right (true or false) | score (0 to 1) | expected}.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many jobs at the most.")] = 10_000,
    json: Json = False,
) -> None:
    """Evaluate another configuration on recorded jobs: cost, latency, models, quality. Calls nothing."""
    begin = parse_moment(since, now())
    other = _policy(policy, pipeline)
    known = {} if labels is None else read_labels(labels)
    with context.client() as client, client.database.read() as connection:
        evaluation = Evaluation(client.config, other, known, LedgerFiles(connection))
        jobs = ended_job_ids(connection, begin, pipeline=pipeline, limit=limit)
        for job in [*jobs, *ended_shadow_ids(connection, jobs)]:
            evaluation.learn(read_trace(connection, job))
        outcomes = evaluation.outcomes()
    if not outcomes:
        lost = f"; of {evaluation.not_known} the texts are redacted or forgotten" if evaluation.not_known else ""
        raise InputError(f"no job since {since} has ended whose pipeline {policy} knows{lost}.")
    found = estimate(
        outcomes,
        evaluation.means,
        left_out=evaluation.left_out,
        not_known=evaluation.not_known,
        shadows=evaluation.shadows,
    )
    if json:
        screen.print_json(found)
    else:
        _print(found)


def _policy(path: Path, pipeline: str | None) -> Config:
    config = load_config(path)
    if pipeline is not None and pipeline not in config.pipelines:
        raise NotFound(f"{path}: {unknown(f'pipeline {pipeline!r}', pipeline, config.pipelines)}")
    problems = check_config(config)
    if problems:
        raise ConfigError(f"{path}: " + "\n".join(problems))
    return config


def _print(found: WhatIf) -> None:
    rows = [
        ("USD a job", *_amount(found.cost_usd, 8)),
        ("seconds a job", *_amount(found.seconds, 3)),
        ("quality", *_quality(found.recorded_quality, found.quality)),
        *(
            (f"calls to {model}", f"{share.recorded:.1%}", f"{share.expected:.1%}", _unseen(share.unseen))
            for model, share in found.models.items()
        ),
    ]
    screen.print_table(["", "recorded", "expected", "95 % interval"], rows)
    told = f"{found.jobs} jobs, {found.decided_anew} of them decide otherwise; {found.unseen_share:.1%} ask what "
    screen.out.print(Text(f"{told}nobody was asked. {found.left_out} jobs were left out."))
    if found.shadows:
        screen.out.print(Text(f"{found.shadows} shadows told what else would have been answered."))
    total = f"In all {found.total_recorded_usd:.6f} USD were spent; it would be {found.total_expected_usd:.6f} USD."
    screen.out.print(Text(total))
    for line in found.said:
        screen.out.print(Text(f"- {line}", style="dim"))


def _amount(amount: Amount, digits: int) -> tuple[str, str, str]:
    numbers = [f"{value:.{digits}f}" for value in (amount.recorded, amount.expected, amount.low, amount.high)]
    return numbers[0], numbers[1], f"{numbers[2]} to {numbers[3]}"


def _quality(recorded: Quality | None, expected: Quality | None) -> tuple[str, str, str]:
    interval = "" if expected is None else f"{expected.low:.3f} to {expected.high:.3f}"
    return _mean(recorded), _mean(expected), interval


def _mean(quality: Quality | None) -> str:
    return "not known" if quality is None or quality.mean is None else f"{quality.mean:.3f}"


def _unseen(share: float) -> str:
    return f"{share:.1%} of them never asked" if share else ""
