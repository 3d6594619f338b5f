"""Who may call a provider now: one round trip to ask, one to settle."""

from __future__ import annotations

import random
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import redis

from mirepoix.config import Breaker, Config, Limits
from mirepoix.errors import LimitsUnavailable
from tasks.limits.admission import Admission, BreakerState, Reason, Refusal, Standing
from tasks.limits.scripts import REDIS_CLOCK, Script

WINDOW = 60.0
BINS = 120
"""So many to a window: up to one bin of 0.5 s counts too long, which costs 0.8 % of the limit."""
LEASE_MARGIN = 60.0
"""A call that is not settled so long after its provider's time-out is given up, and its place with it."""
LONGEST_COOLDOWN = 60.0
SPREAD = 0.25
FIRST_POLL = (0.03, 0.09)
STRANGER_AGE = 10.0
DICE = random.SystemRandom()


class Gatekeeper:
    """Keeps the limits and breakers of `config` together with every other process that asks the same Redis.

    In any sliding `window` of seconds no more requests and tokens are admitted than `rpm` and `tpm` allow; at any
    moment no more calls are under way than `concurrency` allows. Provider and model both have a say. There is no queue:
    among those that wait, whoever asks first when there is room goes first.

    `clock` is the Lua source of the scripts' `clock()`; tests turn it by hand.
    """

    def __init__(
        self, client: redis.Redis, config: Config, worker_id: str, *, window: float = WINDOW, clock: str = REDIS_CLOCK
    ) -> None:
        self._client = client
        self._worker_id = worker_id
        self._gates = {model: _gate(config, model) for model in config.models}
        self._providers = list(config.providers)
        self._bin = max(1, round(window * 1000 / BINS))
        self._window = round(window * 1000)
        self._admit = Script(client, "admit", clock)
        self._settle = Script(client, "settle", clock)
        self._pause = Script(client, "pause", clock)
        self._forget = Script(client, "forget", clock)

    def admit(self, model: str, tokens: int) -> Admission | Refusal:
        """Ask leave for one call of `model` that may use `tokens`, its prompt and all that it may answer.

        A call of more tokens than `tpm` goes out when nothing else was admitted within the window. Raises
        LimitsUnavailable when the Redis does not answer.
        """
        gate = self._gates[model]
        call_id = f"{self._worker_id}/{secrets.token_hex(8)}"
        arguments: list[str | int] = [call_id, tokens, gate.lease, self._window, self._bin, *gate.limits]
        admitted, number, *reason = self._admit(gate.admit_keys, arguments)
        if admitted:
            return Admission(call_id, gate.provider, model, tokens, at_ms=number)
        return self._refusal(gate, model, Reason(_text(reason[0])), number / 1000)

    def settle(self, admission: Admission, tokens: int | None, *, failed: bool | None) -> None:
        """Say that the call has ended: its place is free, and it counts with the `tokens` that it really used.

        None leaves the estimate. What it used beyond the estimate is added, even if that is more than the limit allows.
        `failed` is for the breaker: True when the provider could not answer, False when it could, None when the call
        says nothing about that. Raises LimitsUnavailable; then the place is given up after the call's time-out.
        """
        gate = self._gates[admission.model]
        more = 0 if tokens is None else tokens - admission.tokens
        outcome = {True: "failed", False: "succeeded", None: ""}[failed]
        number = admission.at_ms // self._bin
        self._settle(gate.settle_keys, [admission.id, number, more, outcome, *_breaker(gate.breaker)])

    def pause(self, provider: str, seconds: float) -> None:
        """Let nobody call `provider` for `seconds`, a day at the most; a longer pause stands.

        Raises LimitsUnavailable.
        """
        self._pause([_key(provider, "gate")], [round(seconds * 1000)])

    def standing(self) -> dict[str, Standing]:
        """How each provider's gate stands. Raises LimitsUnavailable."""
        keys = [_key(provider, "gate") for provider in self._providers]
        try:
            with self._client.pipeline(transaction=False) as together:
                together.time()
                for key in keys:
                    together.hmget(key, "paused_until", "open_until")
                (seconds, micros), *gates = together.execute()
        except (redis.RedisError, OSError) as error:
            raise LimitsUnavailable(f"the Redis that keeps the shared limits does not answer: {error}") from error
        at = seconds * 1000 + micros // 1000
        return {provider: _standing(at, *gate) for provider, gate in zip(self._providers, gates, strict=True)}

    def forget(self, dead: Iterable[str]) -> int:
        """Give back what these workers hold; returns how many calls. Raises LimitsUnavailable."""
        return self._forget_calls("these", dead)

    def keep_only(self, alive: Collection[str]) -> int:
        """Give back what all but these workers hold; returns how many calls. Raises LimitsUnavailable.

        Calls younger than 10 s stay: their worker may have come to life after the list was made.
        """
        return self._forget_calls("others", alive)

    def _refusal(self, gate: _Gate, model: str, reason: Reason, wait: float) -> Refusal:
        """With a wait that differs from caller to caller, so that they do not all come back in the same moment."""
        if wait == 0:
            return Refusal(gate.provider, model, reason, DICE.uniform(*FIRST_POLL))
        spread = SPREAD * wait
        if reason in (Reason.RPM, Reason.TPM):  # room comes bin by bin; to wait for more of them would waste it
            spread = min(spread, self._bin / 1000)
        return Refusal(gate.provider, model, reason, wait + DICE.uniform(0, spread))

    def _forget_calls(self, which: str, workers: Iterable[str]) -> int:
        listed = list(workers)
        freed = 0
        for provider in self._providers:
            gates = [gate for gate in self._gates.values() if gate.provider == provider]
            if gates:
                keys = [*gates[0].admit_keys[:2], *(gate.settle_keys[3] for gate in gates)]
                freed += self._forget(keys, [which, gates[0].lease, round(STRANGER_AGE * 1000), *listed])
        return freed


@dataclass(frozen=True, slots=True)
class _Gate:
    """What the scripts need to know of a model and its provider. `lease` is ms; in `limits` 0 stands for none."""

    provider: str
    admit_keys: tuple[str, ...]
    settle_keys: tuple[str, ...]
    limits: tuple[int, ...]
    lease: int
    breaker: Breaker


def _standing(at: int, paused_until: bytes | None, open_until: bytes | None) -> Standing:
    """From what the scripts keep in the gate (ms); past its time an open breaker lets one call through to try."""
    paused = max(0, int(float(paused_until or 0)) - at) / 1000
    until = int(float(open_until or 0))
    breaker = BreakerState.CLOSED if until == 0 else BreakerState.OPEN if until > at else BreakerState.HALF_OPEN
    return Standing(breaker, paused)


def _gate(config: Config, key: str) -> _Gate:
    model = config.models[key]
    provider = config.providers[model.provider]
    gate, calls, rpm, tpm = (_key(model.provider, what) for what in ("gate", "calls", "rpm", "tpm"))
    own_calls, own_rpm, own_tpm = (_key(model.provider, key, what) for what in ("calls", "rpm", "tpm"))
    return _Gate(
        provider=model.provider,
        admit_keys=(gate, calls, rpm, tpm, own_calls, own_rpm, own_tpm),
        settle_keys=(gate, calls, tpm, own_calls, own_tpm),
        limits=(*_numbers(provider.limits), *_numbers(model.limits)),
        lease=round((provider.timeout + LEASE_MARGIN) * 1000),
        breaker=provider.breaker,
    )


def _key(provider: str, *rest: str) -> str:
    """All keys of a provider share its hash tag, so that a Redis Cluster keeps them in one slot."""
    return ":".join((f"mirepoix:{{{provider}}}", *rest))


def _numbers(limits: Limits) -> tuple[int, int, int]:
    return limits.concurrency or 0, limits.rpm or 0, limits.tpm or 0


def _breaker(breaker: Breaker) -> tuple[int, int, int]:
    return breaker.failures, round(breaker.cooldown * 1000), round(max(breaker.cooldown, LONGEST_COOLDOWN) * 1000)


def _text(answer: bytes | str) -> str:
    return answer if isinstance(answer, str) else answer.decode()
