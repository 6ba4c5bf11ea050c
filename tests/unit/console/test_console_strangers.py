"""Strange requests made from the interface's own description: nothing falls over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.unit.console.conftest import Served

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

CALLS = 37
"""How many calls the interface has, or more."""
KNOWN = {
    "night_id": "monday",
    "corridor_id": "C01",
    "proposal_id": "night",
    "junction_id": "J2",
    "zone_id": "W",
}
"""Names that exist, so that requests get past the door; strange names are tried elsewhere."""


def test_no_strange_request_makes_a_fault(own: Served) -> None:
    """Every call, by an approver, so that all are reached; and answers are as described."""
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    token = own.app.state.desk.accounts.new_token("approveer", "strange requests")
    headers = {"authorization": f"Bearer {token}", "host": "localhost"}
    schema = schemathesis.openapi.from_asgi("/openapi.json", own.app, headers=headers)
    checks = [
        not_a_server_error,
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    ]

    def look_at(operation: Any) -> None:
        @settings(max_examples=4, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def look(case: Any) -> None:
            case.path_parameters |= {k: v for k, v in KNOWN.items() if k in case.path_parameters}
            if operation.path.endswith("/emergencies") and isinstance(case.body, dict):
                case.body |= {"corridor_id": "C01"} if "corridor_id" in case.body else {}
            case.validate_response(case.call(headers=headers), checks=checks)

        look()

    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in operations:
        look_at(operation)
    assert len(operations) >= CALLS
