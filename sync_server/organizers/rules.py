"""What members of an organizer may do; pure."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Capability(StrEnum):
    """Granted one by one to a member; policies in the database name the same words."""

    MEMBERS_MANAGE = "members.manage"
    EVENT_MANAGE = "event.manage"
    TICKETS_ISSUE = "tickets.issue"
    SCANNERS_PROVISION = "scanners.provision"
    SCANS_VIEW = "scans.view"
    SCANS_OVERRIDE = "scans.override"
    BOX_OFFICE_SELL = "box_office.sell"
    REFUNDS_REQUEST = "refunds.request"
    FINANCE_VIEW = "finance.view"
    PAYOUTS_REQUEST = "payouts.request"
    PAYOUTS_APPROVE = "payouts.approve"


# A program that could let members in could give itself every right, and money leaves by two people.
FOR_PEOPLE_ONLY: Final = frozenset({Capability.MEMBERS_MANAGE, Capability.PAYOUTS_APPROVE})


def stored(capabilities: Iterable[Capability]) -> list[str]:
    """Write a set of capabilities in the enum's order, each once."""
    wanted = set(capabilities)
    return [capability.value for capability in Capability if capability in wanted]


def known(capabilities: Iterable[str]) -> frozenset[Capability]:
    """Read stored capabilities; words of a newer server are left out."""
    words = set(capabilities)
    return frozenset(capability for capability in Capability if capability.value in words)


def leaves_nobody_in_charge(
    others: Iterable[frozenset[Capability]],
    remaining: frozenset[Capability],
) -> bool:
    """Say whether a change to one member would leave no one who can manage members."""
    everyone = (remaining, *others)
    return not any(Capability.MEMBERS_MANAGE in capabilities for capabilities in everyone)
