from shared.clock import SettableClock, SystemClock, system_clock


def test_a_settable_clock_stands_still() -> None:
    clock = SettableClock(5_000)
    assert (clock.now_ms(), clock.now_ms()) == (5_000, 5_000)
    assert (clock.monotonic_ns(), clock.boottime_ns()) == (0, 0)


def test_advancing_moves_all_three_readings() -> None:
    clock = SettableClock(5_000, elapsed_ns=7)
    clock.advance(2)
    assert clock.now_ms() == 5_002
    assert clock.monotonic_ns() == clock.boottime_ns() == 2_000_007


def test_the_wall_clock_can_jump_without_the_others() -> None:
    clock = SettableClock(5_000)
    clock.current_ms = 1_000
    assert (clock.now_ms(), clock.boottime_ns()) == (1_000, 0)


def test_the_systems_clocks_run_forward_in_their_units() -> None:
    clock = system_clock()
    assert isinstance(clock, SystemClock)
    assert clock.now_ms() > 1_700_000_000_000
    assert clock.monotonic_ns() <= clock.monotonic_ns()
    assert clock.boottime_ns() <= clock.boottime_ns()
