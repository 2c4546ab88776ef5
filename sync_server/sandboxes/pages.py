"""The page on which a buyer pays, fails or leaves, of sandboxes whose provider has one."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sandbox: {title}</title>
<link rel="icon" href="data:,">
<h1>{title}</h1>
<p>This is a sandbox. No money moves here.</p>
<p>Pay <strong>{currency} {amount}</strong> for {description}</p>
<form method="post">{buttons}</form>
"""
_BUTTON: Final = '<p><button name="choice" value="{choice}">{label}</button>\n'


class Choice(StrEnum):
    """What a buyer can do on a page."""

    PAY_BY_CARD = "card"
    PAY_BY_PHONE = "phone"
    FAIL = "fail"
    LEAVE = "leave"


PAYING: Final = frozenset({Choice.PAY_BY_CARD, Choice.PAY_BY_PHONE})


@dataclass(frozen=True, slots=True)
class Checkout:
    """What stands on a page."""

    title: str
    amount: str
    currency: str
    description: str
    buttons: Mapping[Choice, str]


def show(checkout: Checkout) -> Response:
    buttons = "".join(
        _BUTTON.format(choice=choice, label=html.escape(label))
        for choice, label in checkout.buttons.items()
    )
    page = _PAGE.format(
        title=html.escape(checkout.title),
        amount=html.escape(checkout.amount),
        currency=html.escape(checkout.currency),
        description=html.escape(checkout.description),
        buttons=buttons,
    )
    return HTMLResponse(page)


async def chosen(request: Request) -> Choice:
    """Read the button that was pressed; anything else leaves the page."""
    form = dict(parse_qsl((await request.body()).decode("latin-1")))
    return Choice(form["choice"]) if form.get("choice") in list(Choice) else Choice.LEAVE


def send_back(url: str, told: Mapping[str, str]) -> Response:
    """Send the browser back to the merchant, with what the provider adds to the address."""
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query), *told.items()])
    return RedirectResponse(urlunsplit(parts._replace(query=query)), status_code=303)
