"""`python -m tests.faults.producer TENANT SEED JOBS`: submit the load of a row in bulk, telling each accepted id.

The harness kills it half-way.
"""

from __future__ import annotations

import sys
from itertools import groupby

from mirepoix import Client
from mirepoix import client as client_module
from tests.faults.load import tasks

BATCH = 20


def main(tenant: str, seed: str, jobs: str) -> None:
    """Submit in small batches, so that there is a half-way."""
    client_module.BATCH = BATCH
    with Client() as client:
        for pipeline, group in groupby(
            sorted(tasks(seed, int(jobs)), key=lambda task: task.pipeline), lambda t: t.pipeline
        ):
            for batch in client.submit_batches(pipeline, (task.submission(tenant) for task in group)):
                print(*(handle.id for handle in batch), sep="\n", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
