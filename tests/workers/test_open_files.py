"""A worker may have as many files open as its calls need, or says at its start that it may not."""

from __future__ import annotations

import subprocess
import sys

ASK = """
import resource, sys
soft, hard, calls = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from mirepoix.errors import ConfigError
from workers.open_files import require_open_files
try:
    require_open_files(calls)
except ConfigError as error:
    sys.exit(str(error))
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_a_process_raises_its_own_limit_as_far_as_its_calls_need() -> None:
    assert int(_ask(soft=200, hard=1000, calls=700).stdout) >= 700
    assert int(_ask(soft=900, hard=1000, calls=10).stdout) == 900, "what is enough stays as it is"


def test_a_limit_that_cannot_be_raised_is_told_with_what_to_do() -> None:
    refused = _ask(soft=200, hard=1000, calls=5000)
    assert refused.returncode == 1
    assert "5,000 calls in flight need 5,256 open files, and this process may have 1,000" in refused.stderr
    assert "concurrency" in refused.stderr


def _ask(soft: int, hard: int, calls: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", ASK, str(soft), str(hard), str(calls)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
