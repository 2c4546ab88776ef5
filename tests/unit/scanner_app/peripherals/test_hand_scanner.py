from scanner_app.peripherals.code_source import ShownCode
from scanner_app.peripherals.hand_scanner import HandScanner

KEY_NS = 5_000_000


def typed(text: str, began_ns: int = 0) -> list[ShownCode]:
    heard: list[ShownCode] = []
    scanner = HandScanner(heard.append)
    for position, character in enumerate(text):
        scanner.hear(character, began_ns + position * KEY_NS)
    return heard


def test_a_code_is_handed_on_whole_when_the_scanner_ends_it() -> None:
    text = "TK1:A  B%C "
    assert typed(text + "\r", began_ns=7) == [
        ShownCode(text, 7 + len(text) * KEY_NS, "hand scanner")
    ]


def test_a_code_that_is_not_ended_is_none() -> None:
    assert typed("TK1:ABCDEF") == []
