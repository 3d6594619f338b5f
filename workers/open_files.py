"""How many files and connections this process may have open."""

from __future__ import annotations

import resource

from mirepoix.errors import ConfigError

OWN_FILES = 256
"""Beside the calls' connections: the ledger's, the broker's, libraries, logs."""


def require_open_files(calls: int) -> None:
    """Let this process, and those it starts, have as many files open as `calls` in flight need.

    Many systems begin with 1,024, which a process may raise itself up to its hard limit (getrlimit(2)). Raises
    ConfigError where that is too low.
    """
    needed = calls + OWN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY not in (soft, hard) and hard < needed:
        raise ConfigError(
            f"{calls:,} calls in flight need {needed:,} open files, and this process may have {hard:,}. "
            "Raise `ulimit -Hn` (LimitNOFILE= of systemd, --ulimit nofile= of Docker), or lower `concurrency`."
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
