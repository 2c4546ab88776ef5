import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sync_server.sandboxes.engine import (
    OF_ANSWERS,
    OF_CALLBACKS,
    OF_READINGS,
    Callback,
    Dial,
    Engine,
    Fault,
    FaultyAnswers,
    Movement,
    MovementState,
    Operation,
    is_on_this_machine,
)

Op, F = Operation, Fault


def a_movement(reference: str = "A") -> Movement:
    return Movement(reference, Op.COLLECT, "5000", "UGX")


def client_of(engine: Engine) -> httpx.AsyncClient:
    """A provider with one call, `POST /collect`, and the control of its sandbox."""

    async def collect(_request: Request) -> Response:
        engine.movements["A"] = a_movement()
        return JSONResponse({}, status_code=202)

    routes = [Route("/collect", collect, methods=["POST"]), *engine.control_routes()]
    wanted = {"/collect": Op.COLLECT}
    app = FaultyAnswers(Starlette(routes=routes), engine, lambda scope: wanted.get(scope["path"]))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


def test_every_fault_befalls_one_kind_of_thing() -> None:
    assert frozenset(Fault) == OF_ANSWERS | OF_CALLBACKS | OF_READINGS
    assert not OF_ANSWERS & OF_CALLBACKS


@pytest.mark.parametrize(
    ("operation", "state", "currency", "left"),
    [
        (Op.DISBURSE, MovementState.SUCCEEDED, "UGX", "4250"),
        (Op.DISBURSE, MovementState.PENDING, "UGX", "5000"),
        (Op.DISBURSE, MovementState.REVERSED, "UGX", "5000"),
        (Op.DISBURSE, MovementState.SUCCEEDED, "KES", "5000"),
        (Op.COLLECT, MovementState.SUCCEEDED, "UGX", "5000"),
        (Op.REFUND, MovementState.SUCCEEDED, "UGX", "5000"),
    ],
)
def test_a_float_falls_with_disbursements_that_arrived(
    operation: Operation, state: MovementState, currency: str, left: str
) -> None:
    engine = Engine(opening_float=5_000)
    engine.movements["A"] = Movement("A", operation, "750", currency, state)
    assert f"{engine.float_held('UGX'):f}" == left


def test_a_dial_gives_its_faults_in_order_and_once() -> None:
    dial = Dial()
    dial.turn(Op.COLLECT, F.HTML_ERROR, 2)
    dial.turn(Op.COLLECT, F.LOST_ANSWER)
    assert not dial.is_clear
    taken = [dial.take(Op.COLLECT, OF_ANSWERS) for _ in range(4)]
    assert taken == [F.HTML_ERROR, F.HTML_ERROR, F.LOST_ANSWER, None]
    assert dial.is_clear


def test_a_fault_waits_for_whoever_can_play_it() -> None:
    dial = Dial()
    dial.turn(Op.READ, F.AMOUNT_CHANGED)
    assert dial.take(Op.READ, OF_ANSWERS) is None
    assert dial.take(Op.READ, OF_READINGS) is F.AMOUNT_CHANGED


@pytest.mark.parametrize(
    ("fault", "status", "done"),
    [
        (F.HTML_ERROR, 502, True),
        (F.SERVER_ERROR, 500, True),
        (F.LATE_UNAVAILABLE, 503, True),
        (F.UNAVAILABLE, 503, False),
        (F.TOO_MANY, 429, False),
    ],
)
async def test_an_answer_suffers_after_the_deed_was_done(
    fault: Fault, status: int, done: bool
) -> None:
    engine = Engine()
    engine.dial.turn(Op.COLLECT, fault)
    async with client_of(engine) as client:
        answer = await client.post("/collect")
        was_done = "A" in engine.movements
        again = await client.post("/collect")
    assert (answer.status_code, was_done, again.status_code) == (status, done, 202)


async def test_an_answer_is_lost_in_the_middle() -> None:
    engine = Engine()
    engine.dial.turn(Op.COLLECT, F.LOST_ANSWER)
    async with client_of(engine) as client:
        answer = await client.post("/collect")
    assert (answer.content, answer.headers["content-length"]) == (b"{", "1000")
    assert "A" in engine.movements


async def test_the_control_turns_the_dial_and_settles() -> None:
    engine = Engine()
    engine.movements["A"] = a_movement()
    told: list[str] = []

    async def settled(movement: Movement) -> None:
        told.append(movement.reference)

    engine.settled = settled
    async with client_of(engine) as client:
        body = {"operation": "collect", "fault": "unavailable", "times": 2}
        await client.post("/__sandbox/dial", json=body)
        failed = {"state": "failed", "reason": "LOW_BALANCE"}
        answer = await client.post("/__sandbox/movements/A", json=failed)
        unknown = await client.post("/__sandbox/movements/B", json=failed)
        listed = await client.get("/__sandbox/movements")
    assert engine.dial.take(Op.COLLECT, OF_ANSWERS) is F.UNAVAILABLE
    assert (answer.status_code, unknown.status_code) == (200, 404)
    assert listed.json()["items"] == [
        {"reference": "A", "operation": "collect", "state": MovementState.FAILED}
    ]
    assert (engine.movements["A"].reason, told) == ("LOW_BALANCE", ["A"])


async def test_a_payer_may_say_yes_by_itself() -> None:
    engine = Engine(approves_by_itself=True)
    engine.movements["A"] = movement = a_movement()
    engine.settle_soon(movement)
    await asyncio.gather(*engine.tasks)
    assert movement.state is MovementState.SUCCEEDED


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (F.CALLBACK_MISSING, []),
        (F.CALLBACK_TWICE, [b"true", b"true"]),
        (F.CALLBACK_FORGED, [b"forged"]),
        (F.CALLBACK_EARLY, [b"true"]),
    ],
)
async def test_callbacks_are_delivered_as_the_dial_has_it(
    fault: Fault, expected: list[bytes]
) -> None:
    engine, heard = Engine(), list[bytes]()
    server, url = await _listening(heard)
    engine.dial.turn(Op.CALLBACK, fault)
    await engine.courier.deliver(Callback("POST", url, b"true", forged=b"forged"))
    server.close()
    await server.wait_closed()
    assert heard == expected


def test_a_stranger_has_no_proof() -> None:
    proved = {"verif-hash": "secret"}
    callback = Callback("POST", "http://127.0.0.1/", b"true", proved, b"forged", {})
    assert callback.by_a_stranger(b"forged").headers == {}
    unsigned = Callback("POST", "http://127.0.0.1/", b"true", {"Content-Type": "text/plain"})
    assert unsigned.by_a_stranger(b"forged").headers == unsigned.headers


async def test_held_callbacks_come_newest_first() -> None:
    engine, heard = Engine(), list[bytes]()
    server, url = await _listening(heard)
    engine.dial.turn(Op.CALLBACK, F.CALLBACK_HELD, 2)
    for body in (b"first", b"second"):
        await engine.courier.deliver(Callback("POST", url, body))
    await engine.courier.release()
    server.close()
    await server.wait_closed()
    assert heard == [b"second", b"first"]
    assert engine.courier.delivered == [200, 200]


async def _listening(heard: list[bytes]) -> tuple[asyncio.Server, str]:
    """A merchant that says yes to everything and remembers the bodies."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r")[0] or 0)
        heard.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"


async def test_a_callback_never_leaves_this_machine() -> None:
    engine = Engine()
    await engine.courier.deliver(Callback("POST", "https://merchant.example.org/hook"))
    assert engine.courier.delivered == []


async def test_a_merchant_that_is_away_is_noted() -> None:
    engine, heard = Engine(), list[bytes]()
    server, url = await _listening(heard)
    server.close()
    await server.wait_closed()
    await engine.courier.deliver(Callback("POST", url))
    assert engine.courier.delivered == [0]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080/x", True),
        ("http://localhost/x", True),
        ("http://[::1]/x", True),
        ("http://10.0.0.1/x", False),
        ("https://example.org", False),
        ("nonsense", False),
    ],
)
def test_what_is_on_this_machine(url: str, expected: bool) -> None:
    assert is_on_this_machine(url) is expected
