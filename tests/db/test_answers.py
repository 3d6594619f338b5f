"""What follows from an answer, and from a failure, through every shape."""

from __future__ import annotations

from mirepoix import Branch, Call, Cascade, Chain, Ensemble, JobState, Map, Route
from mirepoix.ledger.engine import Database
from mirepoix.states import StepState
from tests.db.ledger import Run, begin


def states(run: Run) -> dict[str, str]:
    """The state of each step."""
    return {row.path: row.state for row in run.rows()}


def test_the_last_answer_of_a_chain_is_the_jobs(database: Database) -> None:
    run = begin(database, Chain(steps=(Call(model="a"), Call(model="b"))))
    assert not run.answer("0", "one").job_ended
    progress = run.answer("1", "two")
    assert progress.job_ended
    assert progress.to_drive == ()
    assert run.state is JobState.SUCCEEDED
    assert run.row("$").output_hash == run.row("1").output_hash


def test_the_answer_of_links_side_by_side_is_the_last_ones_though_another_ends_later(database: Database) -> None:
    run = begin(database, Chain(steps=(Call(model="a"), Call(model="b", prompt="{{ input }}"))))
    assert not run.answer("1", "last in the chain").job_ended
    assert run.answer("0", "last in time").job_ended
    assert run.row("$").output_hash == run.row("1").output_hash


def test_what_is_answered_beside_a_link_that_failed_no_longer_counts(database: Database) -> None:
    run = begin(database, Chain(steps=(Call(model="a"), Call(model="b", prompt="{{ input }}"))))
    late = run.must_claim("1")
    assert run.fail("0").job_ended
    assert not run.record(late).won
    assert states(run) == {"$": "failed", "0": "failed", "1": "skipped"}


def test_an_item_that_fails_passes_the_turn_on(database: Database) -> None:
    run = begin(database, Map(each=Call(model="a"), at_once=1))
    run.spread("$", 3)
    assert run.claim("items.1") is None
    run.fail("items.0")
    assert run.claim("items.2") is None
    assert [step.path for step in run.answer("items.1").to_drive] == ["items.2"]
    assert [step.path for step in run.answer("items.2").to_drive] == ["$"]


def test_a_failure_stops_its_chain_and_names_itself(database: Database) -> None:
    inner = Chain(name="inner", steps=(Call(name="bad", model="a"), Call(model="a")))
    run = begin(database, Chain(steps=(inner, Call(name="after", model="b"))))
    assert run.fail("inner.bad").job_ended
    assert states(run) == {
        "$": "failed",
        "inner": "failed",
        "inner.bad": "failed",
        "inner.1": "skipped",
        "after": "skipped",
    }
    assert run.row("$").error == "step 'inner.bad': no luck"
    assert run.state is JobState.FAILED


def test_all_first_steps_of_a_nested_ensemble_wait_for_the_step_before_it(database: Database) -> None:
    ensemble = Ensemble(members=(Call(model="a"), Cascade(tiers=(Call(model="a"), Call(model="b")))))
    run = begin(database, Chain(steps=(Call(model="a"), ensemble)))
    assert run.claim("1.members.0") is None
    assert run.claim("1.members.1.tiers.0") is None
    run.answer("0")
    run.answer("1.members.0")
    run.answer("1.members.1.tiers.0")
    assert run.claim("1") is None, "the cascade has not decided yet"
    run.answer("1.members.1")
    assert run.answer("1").job_ended


def test_a_claim_ends_with_the_steps_it_puts_below_its_own(database: Database) -> None:
    run = begin(database, Cascade(tiers=(Call(model="a"), Call(model="b"))))
    run.answer("tiers.0")
    claim = run.must_claim("$")
    assert run.spawn_under(claim, [1])
    assert not run.spawn_under(claim, [1]), "put there twice"
    assert not run.record(claim).won, "answered although a tier is at work"
    run.answer("tiers.1")
    assert run.answer("$").job_ended


def test_a_route_takes_the_answer_of_its_branch(database: Database) -> None:
    route = Route(by="complexity", to=(Branch(below=0.5, then=Call(model="a")), Branch(then=Call(model="b"))))
    run = begin(database, Chain(steps=(route, Call(model="a"))))
    assert run.spawn("0", [1])
    assert run.claim("0") is None, "it has decided"
    run.answer("0.to.1", "from the branch")
    assert run.row("0").state == StepState.SUCCEEDED
    assert run.row("0").output_hash == run.row("0.to.1").output_hash
    assert run.answer("1").job_ended


def test_a_cascade_is_woken_after_each_tier(database: Database) -> None:
    run = begin(database, Cascade(tiers=(Call(model="a"), Call(model="b"))))
    assert run.claim("$") is None
    run.answer("tiers.0")
    assert run.spawn("$", [1])
    assert run.claim("$") is None
    run.answer("tiers.1")
    assert run.answer("$").job_ended


def test_what_no_canvas_leads_to_is_named_to_be_driven(database: Database) -> None:
    ensemble = Ensemble(name="vote", members=(Call(model="a"), Call(model="a"), Call(model="a")))
    run = begin(database, Chain(steps=(ensemble, Call(name="after", model="b"))))
    assert run.fail("vote.members.0").to_drive == ()
    assert run.answer("vote.members.1").to_drive == ()
    (ready,) = run.answer("vote.members.2").to_drive
    assert (ready.path, ready.kind) == ("vote", "ensemble")
    (ready,) = run.answer("vote").to_drive
    assert (ready.path, ready.kind, ready.provider, ready.model) == ("after", "call", "two", "b")


def test_a_canvas_that_holds_is_left_to_lead(database: Database) -> None:
    ensemble = Ensemble(name="vote", members=(Call(model="a"), Call(model="a")))
    run = begin(database, Chain(steps=(ensemble, Call(name="after", model="b"))))
    for path in ("vote.members.0", "vote.members.1", "vote", "after"):
        assert run.answer(path).to_drive == ()
    assert run.state is JobState.SUCCEEDED


def test_texts_are_kept_whatever_characters_they_hold(database: Database) -> None:
    run = begin(database, Call(model="a"))
    assert run.answer("$", "nul \x00, half a pair \ud83d, and \u202e").won
    assert run.state is JobState.SUCCEEDED


def test_only_the_last_member_of_an_ensemble_says_that_its_chord_is_whole(database: Database) -> None:
    nested = Ensemble(members=(Call(model="a"), Chain(steps=(Call(model="b"), Call(model="a")))))
    run = begin(database, nested)
    assert not run.answer("members.0").led_on
    run.answer("members.1.0")
    last = run.answer("members.1.1")
    assert last.led_on
    assert last.to_drive == ()


def test_behind_a_member_that_failed_the_ledger_leads_on_and_no_chord(database: Database) -> None:
    run = begin(database, Ensemble(members=(Call(model="a"), Call(model="b"))))
    run.fail("members.0")
    last = run.answer("members.1")
    assert not last.led_on
    assert [step.path for step in last.to_drive] == ["$"]
