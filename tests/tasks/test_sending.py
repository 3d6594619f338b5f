"""A task that is replaced leads to nothing itself: what stood behind it stands behind what takes its place."""

from __future__ import annotations

from typing import Any

from celery import Signature

from tasks.sending import SendingApp, SendingTask


def test_what_follows_a_replaced_task_is_sent_once() -> None:
    app = SendingApp("test", broker="memory://", backend="disabled://", task_cls=SendingTask, set_as_current=False)

    @app.task(bind=True, name="first", shared=False)
    def first(task: Any) -> None:
        task.replace(Signature("instead", app=app, immutable=True))

    behind = Signature("behind", app=app, immutable=True)
    task: Any = app.tasks["first"]
    task.push_request(id="one", chain=[dict(behind)], callbacks=[dict(behind)], called_directly=False)
    try:
        task.run()
        left = (task.request.chain, task.request.callbacks, task.request.chord)
    finally:
        task.pop_request()
    with app.connection_for_read() as connection:
        queue: Any = connection.SimpleQueue("celery")
        message = queue.get(timeout=5)
        assert queue.qsize() == 0
    assert message.headers["task"] == "instead"
    assert message.headers["id"] != "one", "Flower would take the end of the first for that of the second"
    _, _, embedded = message.payload
    assert [after["task"] for after in embedded["chain"]] == ["behind"]
    assert left == (None, None, None)
