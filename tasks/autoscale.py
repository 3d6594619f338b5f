"""What each provider's workers have to do now, and how many of them that is worth."""

from __future__ import annotations

from collections import Counter
from contextlib import closing

from db.depths import held_calls, read_standings
from db.traffic import Traffic, recent_traffic
from db.workers import read_alive
from mirepoix.config import Config
from mirepoix.ledger.engine import Database
from mirepoix.queues import both_lanes
from pipelines.autoscale import Load, Sizing, size
from tasks.limits.admission import BreakerState, Standing
from tasks.limits.connection import connect_limits
from tasks.limits.gatekeeper import Gatekeeper


def read_sizings(database: Database, config: Config, redis_url: str) -> dict[str, Sizing]:
    """For each provider, by one bounded look at the ledger and one at its gate.

    Raises LedgerError, or LimitsUnavailable when the Redis of the limits does not answer; then scale nothing.
    """
    return {provider: size(config, provider, load) for provider, load in _loads(database, config, redis_url).items()}


def _loads(database: Database, config: Config, redis_url: str) -> dict[str, Load]:
    with closing(connect_limits(redis_url)) as client:
        gates = Gatekeeper(client, config, "autoscale").standing()
    with database.read() as connection:
        depths = {depth.queue: depth for depth in read_standings(connection, config.providers).queues}
        held, traffic = held_calls(connection), recent_traffic(connection)
        running = Counter(name.partition("@")[0] for name in read_alive(connection))
    loads = {}
    for provider in config.providers:
        lanes, seen = [depths[queue] for queue in both_lanes(provider)], traffic.get(provider, Traffic())
        loads[provider] = Load(
            waiting=sum(lane.waiting for lane in lanes),
            oldest=max(lane.oldest for lane in lanes),
            held=held.get(provider, 0),
            running=running[provider],
            latency=seen.latency,
            tokens=seen.tokens,
            ended=seen.ended,
            failed=seen.failed,
            shut=_shut(gates[provider]),
        )
    return loads


def _shut(gate: Standing) -> str | None:
    if gate.breaker is not BreakerState.CLOSED:
        return "its breaker is open" if gate.breaker is BreakerState.OPEN else "its breaker lets one call through"
    return f"it asked for peace for {gate.paused:.0f} s" if gate.paused > 0 else None
