"""Where a walk finds what was trained: by its hash what decided then, by its name what decides now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol

from mirepoix.errors import PipelineError

if TYPE_CHECKING:  # numpy: only who decides with trained files needs the extra `learned`
    from pipelines.learned.answer_policy import AnswerPolicy
    from pipelines.learned.model import LearnedRouter


class TrainedFiles(Protocol):
    """Each raises PipelineError where there is no such file."""

    def router(self, name: str) -> LearnedRouter:
        """The router that decides now."""

    def router_then(self, hash_: str) -> LearnedRouter:
        """The router that decided then."""

    def policy(self, name: str) -> AnswerPolicy:
        """The answer policy that decides now."""

    def policy_then(self, hash_: str) -> AnswerPolicy:
        """The answer policy that decided then."""


class NoFiles:
    """For walks where no ledger is at hand."""

    def router(self, name: str) -> NoReturn:
        """There is none."""
        raise PipelineError(f"the trained file {name[:12]!r} is not at hand; replay where the ledger is.")

    router_then = policy = policy_then = router


NO_FILES: TrainedFiles = NoFiles()
