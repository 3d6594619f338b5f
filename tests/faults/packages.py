"""Install the Debian packages of what the stacks run on, where they are missing and that is possible."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from mirepoix.errors import MirepoixError

PLACES = ("/usr/lib/rabbitmq/bin", "/usr/sbin", "/usr/local/sbin")


def require(packages: dict[str, str]) -> None:
    """Make sure that the programs (keys) are there, installing their packages (values). Raises MirepoixError."""
    missing = sorted({package for program, package in packages.items() if find_program(program) is None})
    if missing:
        _install(missing)


def find_program(name: str) -> Path | None:
    """Where `name` is; of several versions of PostgreSQL the newest one's."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    if versions:
        return versions[-1]
    found = shutil.which(name, path=os.pathsep.join([*PLACES, os.environ.get("PATH", os.defpath)]))
    return Path(found) if found else None


def find_library(name: str) -> Path | None:
    """A shared library that Debian keeps in a folder of its own, such as libfaketime."""
    return next(iter(sorted(Path("/usr/lib").glob(f"*/faketime/{name}"))), None)


def _install(packages: Iterable[str]) -> None:
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
            subprocess.run([*sudo, "apt-get", *command], check=True, capture_output=True, env=environ)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MirepoixError(f"the fault matrix needs {', '.join(packages)}; install them with your system.") from error
