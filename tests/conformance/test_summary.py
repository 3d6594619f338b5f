"""The line that tells how many checks each SDK passed counts what really ran."""

from __future__ import annotations

from types import SimpleNamespace

import openai

from tests.conformance.summary import tell_conformance


def report(node: str) -> SimpleNamespace:
    return SimpleNamespace(nodeid=node)


def test_each_sdk_has_its_line_with_what_failed_counted_as_not_passed() -> None:
    stats = {
        "passed": [
            report("tests/conformance/test_openai_sdk.py::test_one[429]"),
            report("tests/conformance/test_openai_sdk.py::test_two"),
            report("tests/conformance/test_no_such_package_sdk.py::test_one"),
            report("tests/emulator/test_emulator_openai.py::test_three"),
        ],
        "failed": [report("tests/conformance/test_openai_sdk.py::test_three")],
        "error": [report("tests/conformance/test_openai_sdk.py::test_four")],
        "warnings": [SimpleNamespace()],
    }
    assert list(tell_conformance(stats)) == [
        "official SDK no-such-package: 1 of 1 checks passed",
        f"official SDK openai {openai.__version__}: 2 of 4 checks passed",
    ]


def test_without_such_tests_nothing_is_told() -> None:
    assert list(tell_conformance({"passed": [report("tests/db/test_claims.py::test_one")]})) == []
