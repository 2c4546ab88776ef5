"""What the demonstration plays on: rails, a server with an event, and kiosks at their cameras."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from organizer import Organizer
from processes import (
    Event,
    KioskPlace,
    KioskProcess,
    ServerPlace,
    ServerProcess,
    free_port,
)
from rails import RAILS, RailDesk
from report import Report
from sales import BoxOffice
from shared.clock import Clock, system_clock
from shared.wire.rules import RuleBookDocument
from shop import Shop
from stage import Stage

MAIN: Final = "Main gate"
NORTH: Final = "North gate"
VIP: Final = "VIP gate"


@dataclass(frozen=True)
class Scene:
    """Everything the steps work with."""

    server: ServerProcess
    organizer: Organizer
    accountant: Organizer
    box_office: BoxOffice
    deployment_id: str
    main: KioskProcess
    main_stage: Stage
    north: KioskProcess
    north_stage: Stage
    clock: Clock
    report: Report


@contextmanager
def everything(folder: Path, report: Report) -> Iterator[Scene]:
    """Start the rails and the server, prepare the event, and place two kiosks; end all of them."""
    clock = system_clock()
    with ExitStack() as ending:
        # PostgreSQL runs as a user of its own, which must reach its data; a home folder may be
        # closed.
        data = Path(tempfile.mkdtemp(prefix="zeraket-demo-"))
        ending.callback(shutil.rmtree, data, ignore_errors=True)
        place = ServerPlace(data, free_port(), folder / "server.log")
        desks = [RailDesk(rail, folder) for rail in RAILS]
        server, made = _serve(place, desks, ending)
        ids = (made["organizer_id"], made["event_id"])
        organizer = Organizer(place.address, *ids, made["organizer_token"])
        ending.callback(organizer.close)
        accountant = Organizer(place.address, *ids, made["accountant_token"])
        ending.callback(accountant.close)
        shop = Shop(place.address, *ids)
        ending.callback(shop.close)
        gates = organizer.gates()
        rules = _vip_only_at(organizer, gates[VIP])
        deployment_id = organizer.create_deployment(list(gates.values()), rules)
        main_stage, north_stage = Stage(1, clock), Stage(2, clock)
        ending.callback(main_stage.close)
        ending.callback(north_stage.close)
        places = (
            KioskPlace(MAIN, folder / "main", main_stage.camera_url, folder / "screenshots"),
            KioskPlace(NORTH, folder / "north", north_stage.camera_url),
        )
        main_kiosk, north_kiosk = (KioskProcess(each, clock) for each in places)
        for kiosk in (north_kiosk, main_kiosk):
            kiosk.start()
            ending.callback(kiosk.stop)
        regular = organizer.ticket_types()["Regular"]
        yield Scene(
            server=server,
            organizer=organizer,
            accountant=accountant,
            box_office=BoxOffice(organizer, shop, desks, regular, report),
            deployment_id=deployment_id,
            main=main_kiosk,
            main_stage=main_stage,
            north=north_kiosk,
            north_stage=north_stage,
            clock=clock,
            report=report,
        )


def _serve(
    place: ServerPlace, desks: Sequence[RailDesk], ending: ExitStack
) -> tuple[ServerProcess, Event]:
    """Start the server with every rail; the event is made while their sandboxes start."""
    say(f"Starting the sandboxes of {len(desks)} rails, and the server on embedded PostgreSQL")
    for desk in desks:
        desk.start(place.environment)
        ending.callback(desk.stop)
    made = ServerProcess(place).make_demo_data()
    settings = {name: value for desk in desks for name, value in desk.settings().items()}
    server = ServerProcess(replace(place, settings=settings))
    ending.callback(server.stop)
    server.start()
    return server, made


def _vip_only_at(organizer: Organizer, gate_id: str) -> dict[str, object]:
    """Send VIP tickets to their own gate; tiers are numbered in the order of the ticket types."""
    tier = list(organizer.ticket_types()).index("VIP")
    document = {"rules": [{"scope": {"tiers": [tier]}, "set": {"gates": [gate_id]}}]}
    return RuleBookDocument.model_validate(document).model_dump(mode="json", exclude_unset=True)


def say(line: str) -> None:
    """Tell whoever watches what comes."""
    print(line, flush=True)
