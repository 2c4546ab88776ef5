"""Pages for everybody: on the smallest phone, by ear, by keyboard, in the dark."""

import re
from typing import Any

import pytest
from playwright.async_api import Page

from sync_server.web.rules import LANGUAGES
from tests.architecture.tree import ROOT
from tests.factories.accounts import make_account
from tests.factories.contrast import contrast
from tests.plugins.pages import Served, Windows
from tests.web.acting import keep_signed_in

READABLE = 4.5
SEEN = 3
CSS = (ROOT / "sync_server/web/static/pages.css").read_text("utf-8")
OPEN_PAGES = (
    "/",
    "/sign-in",
    "/sign-in/google",
    "/sign-up",
    "/sign-up#zgl_x",
    "/password-reset",
    "/password-reset#zgl_x",
    "/invitation",
    "/order",
    "/order#zgo_x",
    "/nowhere",
)
OWN_PAGES = ("/account", "/invitation#zgl_x", "/")
# Each gives the outlines of what breaks its rule.
RULES = {
    "a field without a label": """
        [...document.querySelectorAll("input")].filter(field => field.labels.length === 0)""",
    "a button or link without a name": """
        [...document.querySelectorAll("button, a")].filter(each => !each.textContent.trim())""",
    "a picture without words": """
        [...document.querySelectorAll("img")].filter(each => !each.hasAttribute("alt"))""",
    "an id used twice": """
        [...document.querySelectorAll("[id]")].filter(
            each => document.querySelectorAll(`[id="${each.id}"]`).length > 1)""",
    "a description that is not there": """
        [...document.querySelectorAll("[aria-describedby], [aria-labelledby]")].filter(each =>
            `${each.getAttribute("aria-describedby") ?? ""} `.concat(
                each.getAttribute("aria-labelledby") ?? ""
            ).split(/\\s+/).filter(Boolean).some(id => !document.getElementById(id)))""",
    "a form whose notice is not read out": """
        [...document.forms].filter(form => !form.querySelector(".notice[role=status]"))""",
    "a part that cannot be left by keyboard": """
        [...document.querySelectorAll("[tabindex]")].filter(each => each.tabIndex > 0)""",
    "a field that a password manager cannot know": """
        [...document.querySelectorAll("input")].filter(each => !each.autocomplete)""",
    "something too small to hit": """
        [...document.querySelectorAll("button, .button, summary, input, .menu")].filter(each =>
            each.checkVisibility() && each.getBoundingClientRect().height < 44)""",
    "something beyond the edge of the screen": """
        [...document.querySelectorAll("body *")].filter(each => {
            const box = each.getBoundingClientRect();
            const isSeen = each.checkVisibility() && box.width > 1
                && !each.matches(".skip") && !each.closest("summary, .menu > .unseen");
            return isSeen && (box.left < 0 || box.right > document.documentElement.clientWidth);
        })""",
}


async def broken(page: Page) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for rule, script in RULES.items():
        outlines = await page.evaluate(
            f"({script}).map(each => each.cloneNode(false).outerHTML || each.nodeName)"
        )
        found[rule] = outlines
    return {rule: outlines for rule, outlines in found.items() if outlines}


async def structure(page: Page) -> dict[str, Any]:
    """What a screen reader finds its way by."""
    script = """() => ({
        language: document.documentElement.lang,
        headings: [...document.querySelectorAll("h1")].filter(e => e.checkVisibility()).length,
        mains: document.querySelectorAll("main").length,
        skip: document.querySelector("body > a").getAttribute("href"),
    })"""
    found: dict[str, Any] = await page.evaluate(script)
    return found


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_page_is_for_everybody_on_the_smallest_phone(
    windows: Windows, served: Served, language: str
) -> None:
    account = await make_account(served.services)
    viewport = {"width": 320, "height": 568}
    page = await windows.open(f"/?lang={language}", viewport=viewport)
    found = {}
    for path in OPEN_PAGES:
        await page.goto("about:blank")
        await page.goto(path)
        found[path] = (await broken(page), await structure(page))
    await keep_signed_in(page, account.person)
    for path in OWN_PAGES:
        await page.goto("about:blank")
        await page.goto(path)
        await page.wait_for_load_state("networkidle")
        found[f"own {path}"] = (await broken(page), await structure(page))
    windows.faults.remove(
        "/nowhere: Failed to load resource: the server responded with a status of 404 (Not Found)"
    )
    shape = {"language": language, "headings": 1, "mains": 1, "skip": "#content"}
    assert found == dict.fromkeys(found, ({}, shape))


async def test_what_breaks_a_rule_is_found(windows: Windows) -> None:
    page = await windows.open("/")
    await page.evaluate(
        """() => {
            for (const name of ["input", "button", "img", "form"]) {
                document.querySelector("main").append(document.createElement(name));
            }
            const wide = document.createElement("p");
            wide.id = "content";
            wide.textContent = "wide";
            wide.style.minWidth = "3000px";
            wide.tabIndex = 3;
            wide.setAttribute("aria-describedby", "nowhere");
            document.querySelector("main").append(wide);
            document.querySelector("main > button").style.minHeight = "1px";
        }"""
    )
    missed = set(RULES) - set(await broken(page))
    assert missed == set()


def palette(scheme: str) -> dict[str, str]:
    """The colours of `light` or `dark`, by name."""
    light, _, rest = CSS.partition("@media (prefers-color-scheme: dark)")
    block = light if scheme == "light" else rest.partition("*,")[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        ("text", "ground", READABLE),
        ("text", "surface", READABLE),
        ("muted", "ground", READABLE),
        ("muted", "surface", READABLE),
        ("accent", "ground", READABLE),
        ("accent", "surface", READABLE),
        ("on-accent", "accent", READABLE),
        ("on-good", "good", READABLE),
        ("on-bad", "bad", READABLE),
        ("wrong", "surface", READABLE),
        ("line", "surface", SEEN),
        ("line", "ground", SEEN),
        ("focus", "surface", SEEN),
        ("focus", "ground", SEEN),
    ],
)
def test_words_are_read_and_borders_seen(scheme: str, front: str, back: str, least: float) -> None:
    colours = palette(scheme)
    assert contrast(colours[front], colours[back]) >= least


def test_both_schemes_have_the_same_colours_and_nothing_else_has_any() -> None:
    written = re.findall(r"#[0-9a-f]{3,8}\b", CSS)
    assert set(palette("light")) == set(palette("dark"))
    # Beside them, white alone: behind a QR code, which cameras want dark on light.
    assert len(written) == len(palette("light")) * 2 + 1


@pytest.mark.parametrize(("scheme", "ground"), [("light", "#f4f6f5"), ("dark", "#0b100e")])
async def test_the_page_follows_the_devices_scheme(
    windows: Windows, scheme: str, ground: str
) -> None:
    page = await windows.open("/", color_scheme=scheme)
    shown = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    red, green, blue = (int(number) for number in re.findall(r"\d+", shown))
    assert f"#{red:02x}{green:02x}{blue:02x}" == ground == palette(scheme)["ground"]


def test_every_reference_of_the_style_sheet_is_there() -> None:
    used = set(re.findall(r"var\(--([\w-]+)\)", CSS))
    assert used <= set(palette("light"))
    assert "url(" not in CSS
    assert "@import" not in CSS
