import pytest

from sync_server.payments.providers.calls import Reply
from sync_server.payments.providers.mtn import reading_of
from sync_server.payments.rules import Finding


@pytest.mark.parametrize(
    ("document", "finding"),
    [
        ({"code": "RESOURCE_NOT_FOUND", "message": "Requested resource was not found."}, "no"),
        ({"code": "TRANSACTION_NOT_FOUND"}, "no"),
        ({"statusCode": 404, "message": "Resource not found"}, "silence"),
        ({"code": "SERVICE_UNAVAILABLE"}, "silence"),
        (None, "silence"),
    ],
)
def test_an_address_that_is_wrong_says_nothing_of_the_money(document: object, finding: str) -> None:
    """Only a word on the resource does: a gateway that knows no such path has asked nobody."""
    told = {"no": Finding.NOT_FOUND, "silence": Finding.UNKNOWN}[finding]
    assert reading_of(Reply(404, document)).finding is told
