"""Costs, budgets, alerts and callbacks as people and receivers see them, through real workers."""

from __future__ import annotations

import csv
import io
import json
import signal
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from db.costs import ByTag, CostBy, Scope, sum_costs
from db.deliveries import Logged, list_deliveries
from mirepoix import Call, JobState, Submission
from mirepoix.errors import InputError
from mirepoix.states import DeliveryState
from mirepoix.views import usd_text
from mirepoix.webhooks import verify_signature
from tests.receiver import Receiver, receiving
from tests.system.world import CONFIG, World, open_world

pytestmark = [pytest.mark.system, pytest.mark.long]

QUESTION = "What is the capital of France?"
FORMULA = "=HYPERLINK(1)"
SECRET, OTHER_SECRET = "a secret of this test", "another one"
CAP = "0.0002"
MORE = """
tenants: {{watched: {{daily_cost: {cap}, monthly_cost: 1}}, other: {{secret_env: OTHER_SECRET}}}}
webhooks: {{secret_env: HOOK_SECRET, allow: [127.0.0.0/8], retry_after: 0.2, tries: 3, timeout: 5}}
alerts: [{{tenant: watched, at: [50, 80, 100], webhook: "{url}/alerts"}}]
"""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Takes the webhooks of this module."""
    with receiving() as opened:
        yield opened


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[World]:
    """Two orchestrators, so that two messengers share the outbox; the tenant `watched` has a cap, and alerts on it."""
    home = tmp_path_factory.mktemp("costs")
    config = home / "costs.yaml"
    config.write_text(CONFIG.read_text() + MORE.format(cap=CAP, url=receiver.url))
    secrets = {"HOOK_SECRET": SECRET, "OTHER_SECRET": OTHER_SECRET, "MIREPOIX_LEASE": "2"}
    with open_world(home, time_scale=0, config=config, settings=secrets) as opened:
        opened.start("second", "worker", "orchestrate")
        opened.start_workers("orchestrate", "openai", "anthropic", "local")
        yield opened


def outbox(world: World) -> list[Logged]:
    """What is still to be sent."""
    with world.database.read() as connection:
        return list_deliveries(connection, state=DeliveryState.PENDING)


def log(world: World, job_id: str) -> Logged:
    """The delivery of a job's end, once it has ended."""
    world.until(lambda: bool(find_delivery(world, job_id)), "the end of a job to stand in the outbox")
    return find_delivery(world, job_id)[0]


def find_delivery(world: World, job_id: str) -> list[Logged]:
    """The deliveries of a job: one, or none before its end."""
    with world.database.read() as connection:
        return list_deliveries(connection, job_id=job_id)


def test_costs_are_summed_by_tag_and_time_exactly(world: World) -> None:
    with world.client() as client:
        first = client.submit("decide", QUESTION, tags={"team": "search", "env": "test"})
        second = client.submit("only_openai", QUESTION, tags={"team": FORMULA}).wait(60)
        assert first.wait(60).tags == first.trace().tags == {"team": "search", "env": "test"}
    sums = {row["group"]: row for row in world.lines("costs", "--by", "tag:team", "--since", "1h")}
    assert sums["search"]["cost_usd"] == usd_text(first.view().cost_usd)
    assert sums[FORMULA]["cost_usd"] == usd_text(second.cost_usd)
    assert (sums["search"]["calls"], sums["search"]["failed"], sums["search"]["unknown"]) == (3, 0, 0)
    assert sum(Decimal(row["cost_usd"]) for row in sums.values()) == Decimal(world.bill()["cost_usd"])
    rows = list(csv.DictReader(io.StringIO(world.run("costs", "--by", "tag:team", "--csv").stdout)))
    assert {row["tag:team"]: row["cost_usd"] for row in rows}[f"'{FORMULA}"] == usd_text(second.cost_usd)
    with world.database.read() as connection:
        assert sum_costs(connection, ByTag("team"), Scope(until=second.created_at - timedelta(hours=1))) == []
        (of_one,) = sum_costs(connection, CostBy.MODEL, Scope(pipeline="only_openai", tenant="default"))
    assert (of_one.group, of_one.cost_usd, of_one.calls) == ("luna", second.cost_usd, 1)


def test_costs_are_compared_with_one_model_that_answers_each_question_once(world: World) -> None:
    """One call alone on the same model would have cost the same; an ensemble of three, what its answer cost there."""
    with world.client() as client:
        views = [client.submit("only_anthropic", QUESTION).wait(60), client.submit("decide", QUESTION).wait(60)]
        trace = client.get(views[1].job).trace()
    since = views[0].created_at.isoformat()
    *_, told = world.lines("costs", "--since", since, "--baseline", "haiku")
    assert told["jobs"] == 2
    assert Decimal(told["cost_usd"]) == sum(view.cost_usd for view in views)
    # Prices of claude-haiku-4-5: 1 USD in, 5 USD out, per million tokens.
    alike = [step for step in trace.steps if step.kind == "call" and step.output == views[1].output]
    attempts = [attempt for step in alike for call in step.calls for attempt in call.attempts]
    alone = min((a.input_tokens or 0) * 1 + (a.output_tokens or 0) * 5 for a in attempts)
    assert Decimal(told["baseline_usd"]) == views[0].cost_usd + Decimal(alone) / 1_000_000
    assert Decimal(told["saved_usd"]) == Decimal(told["baseline_usd"]) - Decimal(told["cost_usd"])
    seen = world.run("costs", "--baseline", "opus", "--forecast").stdout
    assert "each question asked once of opus" in seen
    assert "0 whole days are too few to say what comes" in seen


def test_the_end_of_a_job_is_told_once_signed_by_its_tenants_secret(world: World, receiver: Receiver) -> None:
    (done,) = world.lines(
        "submit", "only_openai", QUESTION, "--tag", "a=b", "--callback", f"{receiver.url}/done", "--wait"
    )
    job = Submission(QUESTION, tenant="other", callback=f"{receiver.url}/other", tags={"team": "search"})
    with world.client() as client:
        failed, cancelled = client.submit_many("fails", [job, Submission(QUESTION, callback=f"{receiver.url}/gone")])
        cancelled.cancel()
        failed.wait(60)
    world.until(lambda: bool(receiver.at("/done") and receiver.at("/other") and receiver.at("/gone")), "the webhooks")
    (told,), (other,), (gone,) = (receiver.at(path) for path in ("/done", "/other", "/gone"))
    verify_signature(SECRET, told.headers["Mirepoix-Signature"], told.body)
    verify_signature(OTHER_SECRET, other.headers["Mirepoix-Signature"], other.body)
    with pytest.raises(ValueError, match="does not fit"):
        verify_signature(SECRET, other.headers["Mirepoix-Signature"], other.body)
    assert told.json["type"] == told.headers["Mirepoix-Event"] == "job.ended"
    assert told.json["id"] == told.headers["Mirepoix-Delivery"]
    assert {name: told.json["data"][name] for name in ("job", "state", "output", "cost_usd", "tags")} == {
        name: done[name] for name in ("job", "state", "output", "cost_usd", "tags")
    }
    assert (other.json["data"]["state"], other.json["data"]["tags"]) == ("failed", {"team": "search"})
    assert gone.json["data"]["state"] == "cancelled"
    world.until(lambda: log(world, done["job"]).state is DeliveryState.DELIVERED, "the log")
    (logged,) = world.lines("deliveries", "--job", done["job"])
    assert (logged["id"], logged["status"], logged["tries"]) == (told.json["id"], 204, 1)


def test_what_is_not_taken_is_sent_again_with_the_same_id_and_then_given_up(world: World, receiver: Receiver) -> None:
    receiver.answers |= {"/shaky": [500, 302], "/never": [503] * 9, "/left": [410]}
    with world.client() as client:
        jobs = {
            name: client.submit("fails", QUESTION, callback=f"{receiver.url}/{name}") for name in ("shaky", "never")
        }
        jobs["left"] = client.submit("fails", QUESTION, callback=f"{receiver.url}/left")

    def ends() -> dict[str, Logged]:
        return {name: log(world, job.id) for name, job in jobs.items()}

    world.until(lambda: DeliveryState.PENDING not in {each.state for each in ends().values()}, "their ends")
    states = {name: (each.state, each.tries, each.status) for name, each in ends().items()}
    assert states == {"shaky": ("delivered", 3, 204), "never": ("failed", 3, 503), "left": ("failed", 1, 410)}
    assert len({each.json["id"] for each in receiver.at("/shaky")}) == 1
    assert len({each.body for each in receiver.at("/shaky")}) == 1
    assert receiver.at("/elsewhere") == []
    receiver.answers["/never"] = []
    never = ends()["never"]
    (again,) = world.lines("deliveries", "--again", never.id, "--job", jobs["never"].id)
    assert again["state"] in ("pending", "delivered")
    world.until(lambda: ends()["never"].state is DeliveryState.DELIVERED, "the delivery that was sent again by hand")
    assert {each.json["id"] for each in receiver.at("/never")} == {never.id}


def test_alerts_come_once_each_while_two_orchestrators_settle_and_send(world: World, receiver: Receiver) -> None:
    with world.client() as client:
        questions = [f"What is {number} plus {number}?" for number in range(60)]
        handles = client.submit_many(Call(model="luna", max_tokens=60), questions, tenant="watched")
        views = list(client.as_ended(handles, 60))
    assert {view.error_kind for view in views if view.state is JobState.FAILED} == {"over_budget"}
    world.until(lambda: len(receiver.at("/alerts")) >= 3, "three alerts")
    world.until(lambda: not outbox(world), "an empty outbox")
    alerts = receiver.at("/alerts")
    for alert in alerts:
        verify_signature(SECRET, alert.headers["Mirepoix-Signature"], alert.body)
    assert sorted(alert.json["data"]["at"] for alert in alerts) == [50, 80, 100]
    last = next(alert.json["data"] for alert in alerts if alert.json["data"]["at"] == 100)
    assert (last["tenant"], last["cap_usd"], last["turned_away"]) == ("watched", CAP, True)
    spent = sum((view.cost_usd for view in views), Decimal(0))
    day, month = (row for row in world.lines("budgets") if row["tenant"] == "watched")
    assert (Decimal(day["spent_usd"]), day["reserved_usd"], month["cap_usd"]) == (spent, "0", "1")
    assert Decimal(day["left_usd"]) == Decimal(CAP) - spent
    assert month["spent_usd"] == day["spent_usd"]


def test_the_budget_of_a_job_is_shown_with_what_is_left(world: World) -> None:
    with world.client() as client:
        done = client.submit("only_openai", QUESTION, max_cost=Decimal("0.05")).wait(60)
    (shown,) = world.lines("show", done.job)
    assert shown["budget"] == {
        "cap_usd": "0.05",
        "spent_usd": usd_text(done.cost_usd),
        "reserved_usd": "0",
        "left_usd": usd_text(Decimal("0.05") - done.cost_usd),
    }


def test_a_webhook_outlives_the_orchestrator_that_was_to_send_it(world: World, receiver: Receiver) -> None:
    """Both are killed while the job ends; a new one sends what stands in the outbox."""
    for name in ("second", "orchestrate"):
        world.stop(name, signal.SIGKILL)
    with world.client() as client:
        handle = client.submit("fails", QUESTION, callback=f"{receiver.url}/later")
        assert handle.cancel()
    assert receiver.at("/later") == []
    world.start_workers("orchestrate")
    world.until(lambda: len(receiver.at("/later")) == 1, "the webhook")
    assert receiver.at("/later")[0].json["data"]["job"] == handle.id


def test_a_callback_that_leads_where_it_must_not_is_refused(world: World) -> None:
    with world.client() as client:
        for url in (
            "http://metadata.google.internal/",
            "http://10.0.0.1/",
            "http://[::ffff:10.0.0.1]/",
            "ftp://example.org/",
        ):
            with pytest.raises(InputError, match="callback"):
                client.submit("ask", QUESTION, callback=url)
    line = json.dumps({"input": QUESTION, "callback": "http://u:p@example.org/"})
    (world.settings.home / "jobs.jsonl").write_text(line)
    assert "no user and no password" in world.run("submit", "ask", "--jsonl", "jobs.jsonl", check=2).stderr
