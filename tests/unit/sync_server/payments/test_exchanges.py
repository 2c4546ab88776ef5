from sync_server.payments.providers.exchanges import Exchange, gathered, note


def test_what_is_said_inside_is_gathered_and_nothing_else() -> None:
    note("GET /before", 200, {"status": "TS"})
    with gathered() as exchanges:
        note("GET /transfer", 200, {"status": "TS"})
    note("GET /after", 200, {"status": "TS"})
    assert exchanges == [Exchange("GET /transfer", 200, {"status": "TS"})]


def test_what_is_secret_is_left_out_however_deep() -> None:
    with gathered() as exchanges:
        note("POST /token", 200, {"access_token": "abc", "data": [{"key": "abc", "id": 7}]})
    (exchange,) = exchanges
    assert exchange.document == {"access_token": "…", "data": [{"key": "…", "id": 7}]}
    assert "abc" not in repr(exchange)


def test_what_is_no_json_is_nothing() -> None:
    with gathered() as exchanges:
        note("GET /transfer", 502, None)
    assert exchanges == [Exchange("GET /transfer", 502, None)]
