"""The guide's example is what the code does."""

import re
from pathlib import Path
from uuid import UUID

from shared.money import Money
from sync_server.orders.holding import AFTERWARDS, CHOOSING, GRACE_DAYS, PAID_WITHIN
from sync_server.orders.rules import Bearer, FeeKind, FeeRule, PricedTicket, Quote, quote
from sync_server.payments.rules import Provider

GUIDE = (Path(__file__).parents[4] / "docs/guides/organizers.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (\w+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", re.MULTILINE)
TYPE, RULE = UUID(int=1), UUID(int=2)


def ugx(amount: int) -> Money:
    return Money(amount, "UGX")


def test_the_example_of_a_sale_is_right() -> None:
    rules = [
        FeeRule(RULE, 1, FeeKind.PLATFORM_FEE, Bearer.ORGANIZER, basis_points=500),
        FeeRule(RULE, 1, FeeKind.TAX_ON_FEES, Bearer.ORGANIZER, basis_points=1_800),
        FeeRule(RULE, 1, FeeKind.TAX_ON_TICKETS, Bearer.BUYER, fixed_minor_units=500),
    ]
    made = quote([PricedTicket(TYPE, ugx(33_333))] * 3, ugx(0), rules)
    assert isinstance(made, Quote)
    expected = {
        name: [sum(parts), *parts]
        for name in ("price", *FeeKind, "organizer", "total")
        if sum(parts := [getattr(ticket, name).minor_units for ticket in made.tickets])
    }
    told = {
        name: [int(text.replace(",", "")) for text in amounts]
        for name, *amounts in ROW.findall(GUIDE)
    }
    assert told == expected


def test_the_guide_says_how_long_tickets_are_held() -> None:
    minutes = {
        provider: PAID_WITHIN[provider].total_seconds() // 60
        for provider in (Provider.MTN, Provider.AIRTEL, Provider.PESAPAL, Provider.FLUTTERWAVE)
    }
    assert f"{CHOOSING.total_seconds() // 60:.0f} minutes |" in GUIDE
    assert (
        f"{minutes[Provider.MTN]:.0f} minutes, and {AFTERWARDS.total_seconds() // 60:.0f} more"
        in GUIDE
    )
    assert minutes[Provider.MTN] == minutes[Provider.AIRTEL]
    assert f"{minutes[Provider.PESAPAL]:.0f} minutes, and" in GUIDE
    assert minutes[Provider.PESAPAL] == minutes[Provider.FLUTTERWAVE]
    told = PAID_WITHIN[Provider.BANK].days
    assert f"{told} working days, as the buyer is told, and {GRACE_DAYS} more" in GUIDE
