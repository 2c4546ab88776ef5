"""A venue for whole programs: a server with an event, virtual cameras, kiosks that may be hurt."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from attendee import Wallet
from organizer import Organizer
from processes import KioskPlace, KioskProcess, ServerPlace, ServerProcess, free_port
from shared.clock import Clock, system_clock
from stage import Stage

GATE = "Main gate"
READY_SECONDS = 60
NO_CAMERA = "http://127.0.0.1:9/none.mjpeg"


@dataclass
class Venue:
    """A server at work and an organizer who runs an event on it."""

    server: ServerProcess
    organizer: Organizer
    clock: Clock = field(default_factory=system_clock)

    def __post_init__(self) -> None:
        self._gates = self.organizer.gates()
        self._ticket_types = self.organizer.ticket_types()

    def deployment(self) -> str:
        return self.organizer.create_deployment(list(self._gates.values()), {"rules": []})

    def enrolment_code(self, deployment_id: str) -> str:
        return self.organizer.enrolment_code(deployment_id, self._gates[GATE])

    def wallets(self, number: int) -> list[Wallet]:
        """Sell tickets and bind each to a phone."""
        issued = self.organizer.issue(self._ticket_types["Regular"], number, "Visitor")
        return [
            self.organizer.wallet(ticket, self.organizer.bind(ticket), "R") for ticket in issued
        ]

    def seqs_arrived(self, deployment_id: str) -> list[int]:
        return sorted(scan["seq"] for scan in self.organizer.scans(deployment_id))


@pytest.fixture(scope="module")
def lasting_venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    # PostgreSQL runs as a user of its own, who cannot reach the folders of pytest.
    data = Path(tempfile.mkdtemp(prefix="zeraket-venue-"))
    log = tmp_path_factory.mktemp("venue") / "server.log"
    place = ServerPlace(data, free_port(), log)
    server = ServerProcess(place)
    server.start()
    made = server.make_demo_data()
    organizer = Organizer(
        place.address, made["organizer_id"], made["event_id"], made["organizer_token"]
    )
    yield Venue(server, organizer)
    organizer.close()
    server.stop()
    shutil.rmtree(data, ignore_errors=True)


@pytest.fixture
def venue(lasting_venue: Venue) -> Iterator[Venue]:
    """A test that failed while the server was down fails alone."""
    yield lasting_venue
    if not lasting_venue.server.is_running:
        lasting_venue.server.start()


@pytest.fixture
def stage(venue: Venue) -> Iterator[Stage]:
    stage = Stage(1, venue.clock)
    yield stage
    stage.close()


@dataclass
class Kiosks:
    """Makes kiosks, and ends them with the test."""

    folder: Path
    clock: Clock
    made: list[KioskProcess] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def place(self, camera: str, display: str | None = None) -> KioskPlace:
        return KioskPlace(GATE, self.folder / str(next(self._numbers)), camera, display=display)

    def make(self, place: KioskPlace) -> KioskProcess:
        kiosk = KioskProcess(place, self.clock)
        self.made.append(kiosk)
        return kiosk


@pytest.fixture
def kiosks(venue: Venue, tmp_path: Path) -> Iterator[Kiosks]:
    kiosks = Kiosks(tmp_path, venue.clock)
    yield kiosks
    for kiosk in kiosks.made:
        kiosk.stop()
