"""Deployments of an event and the codes that bring kiosks into them; other domains ask here about
both.
"""

from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.errors import AdmissionPolicyError
from shared.ids import DeploymentId, EventId, GateId, OrganizerId
from shared.wire.changes import RulesChanged
from shared.wire.enrolment_code import CODE_BYTES, EnrolmentCode
from shared.wire.rules import RuleBookDocument
from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.catalog import service as catalog
from sync_server.deployments import repository
from sync_server.deployments.errors import (
    DeploymentExistsError,
    DeploymentNotFoundError,
    GateUnknownError,
    RulesInvalidError,
)
from sync_server.deployments.models import Deployment, StoredEnrolmentCode
from sync_server.deployments.rules import (
    ENROLMENT_CODE_LIFETIME,
    FoldRules,
    Scanner,
    fold_rules,
)
from sync_server.deployments.schemas import (
    DeploymentShown,
    EnrolmentCodeShown,
    NewDeployment,
    NewEnrolmentCode,
)
from sync_server.kit.instants import instant
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.server_keys import ServerKeys
from sync_server.kit.services import Services
from sync_server.organizers.callers import OrganizerCaller
from sync_server.tickets import changes
from sync_server.tickets.changes import Stream

Place = tuple[OrganizerId, EventId, DeploymentId]
_CODE_PURPOSE: Final = b"zeraket/enrolment\0"


async def create_deployment(
    caller: OrganizerCaller, services: Services, event_id: EventId, wanted: NewDeployment
) -> DeploymentShown:
    gates = [GateId(gate_id) for gate_id in wanted.gate_ids]
    await _check(caller, event_id, gates, wanted.rules)
    row = Deployment(
        organizer_id=caller.organizer_id,
        event_id=event_id,
        id=wanted.id or services.new_id(),
        name=wanted.name,
        gate_ids=list(dict.fromkeys(gates)),
        rules=_rules_to_keep(wanted.rules),
        stale_after_seconds=wanted.stale_after_seconds,
        travel_seconds=wanted.travel_seconds,
        confirm_devices=wanted.confirm_devices,
        created_at=instant(services.clock.now_ms()),
    )
    try:
        await repository.add(caller.session, row)
    except IntegrityError as error:
        raise DeploymentExistsError from error
    made = {
        "event_id": str(event_id),
        "name": row.name,
        "gate_ids": [str(gate_id) for gate_id in row.gate_ids],
        "rules": row.rules,
        "confirm_devices": row.confirm_devices,
    }
    subject = Subject("deployment", str(row.id), caller.organizer_id)
    change = Action("deployment.create", subject, after=made)
    await audit.record_action(caller.session, services, change)
    return DeploymentShown.model_validate(row)


async def list_deployments(
    caller: OrganizerCaller, event_id: EventId, page: PageRequest
) -> Page[DeploymentShown]:
    event = (caller.organizer_id, event_id)
    await catalog.find_event(caller.session, *event)
    rows = await repository.list_deployments(caller.session, event, page)
    return page_of(rows, page, DeploymentShown.model_validate, lambda row: row.id)


async def find_deployment(session: AsyncSession, place: Place) -> DeploymentShown:
    """Give one deployment, else raise DeploymentNotFoundError."""
    return DeploymentShown.model_validate(await _find(session, place))


async def set_rules(
    caller: OrganizerCaller, services: Services, place: Place, rules: RuleBookDocument
) -> DeploymentShown:
    """Replace a deployment's rules whole; its kiosks hear of it in the change stream."""
    event_id = place[1]
    row = await _find(caller.session, place)
    await _check(caller, event_id, [GateId(gate_id) for gate_id in row.gate_ids], rules)
    subject = Subject("deployment", str(place[2]), caller.organizer_id)
    change = Action("deployment.rules", subject, row.rules, _rules_to_keep(rules))
    await audit.record_action(caller.session, services, change)
    await repository.set_rules(caller.session, place, _rules_to_keep(rules))
    await changes.announce_rules(caller.session, Stream(*place), RulesChanged(rules=rules))
    return DeploymentShown.model_validate(await _find(caller.session, place))


async def create_enrolment_code(
    caller: OrganizerCaller,
    services: Services,
    server_keys: ServerKeys,
    place: Place,
    wanted: NewEnrolmentCode,
) -> EnrolmentCodeShown:
    """Make a code for one kiosk at one gate; only its hash stays."""
    deployment = await _find(caller.session, place)
    if wanted.gate_id not in deployment.gate_ids:
        raise GateUnknownError
    now = instant(services.clock.now_ms())
    secret = services.randomness(CODE_BYTES)
    row = StoredEnrolmentCode(
        organizer_id=place[0],
        event_id=place[1],
        deployment_id=place[2],
        id=services.new_id(),
        gate_id=wanted.gate_id,
        code_hash=enrolment_code_hash(secret),
        created_by=caller.user_id,
        created_at=now,
        expires_at=now + ENROLMENT_CODE_LIFETIME,
        used_at=None,
        device_id=None,
    )
    await repository.add(caller.session, row)
    subject = Subject("enrolment_code", str(row.id), caller.organizer_id)
    made = {"gate_id": str(row.gate_id), "expires_at": row.expires_at.isoformat()}
    change = Action("enrolment_code.create", subject, after=made)
    await audit.record_action(caller.session, services, change)
    return _code_shown(services, server_keys, secret, row)


def _code_shown(
    services: Services, server_keys: ServerKeys, secret: bytes, row: StoredEnrolmentCode
) -> EnrolmentCodeShown:
    code = EnrolmentCode(services.public_url, secret, server_keys.fingerprint)
    return EnrolmentCodeShown(
        text=code.to_text(),
        server_address=services.public_url,
        letters=code.letters,
        gate_id=row.gate_id,
        expires_at=row.expires_at,
    )


def enrolment_code_hash(secret: bytes) -> bytes:
    return sha256(_CODE_PURPOSE + secret).digest()


async def count_active_devices(session: AsyncSession, scanner: Scanner, since: datetime) -> int:
    """Count the sessions of a scanner's deployment that were heard from lately."""
    return await repository.count_alive(session, scanner.deployment_id, since)


async def load_fold_rules(session: AsyncSession) -> tuple[FoldRules, ...]:
    """Give what each deployment of the calling device's event says of scans as a whole."""
    listed = await repository.fold_rules_of_my_event(session)
    return tuple(
        fold_rules(
            RuleBookDocument.model_validate(item["rules"]).to_rule_book(), item["travel_seconds"]
        )
        for item in listed
    )


async def _check(
    caller: OrganizerCaller, event_id: EventId, gates: list[GateId], rules: RuleBookDocument
) -> None:
    """Refuse gates, tiers and rules that do not fit the event."""
    await catalog.find_event(caller.session, caller.organizer_id, event_id)
    floor = await catalog.load_event_floor(caller.session, caller.organizer_id, event_id)
    known_gates = {gate.id for gate in floor.gates}
    tiers = {ticket_type.tier for ticket_type in floor.ticket_types}
    if not set(gates) <= known_gates:
        raise GateUnknownError
    scopes = [part for rule in rules.rules for part in (rule.scope, rule.set)]
    if not all((scope.gates or frozenset()) <= known_gates for scope in scopes):
        raise GateUnknownError
    if not all((scope.tiers or frozenset()) <= tiers for scope in scopes):
        unknown_tier = "A rule names a tier that no ticket type of this event has."
        raise RulesInvalidError(unknown_tier)
    try:
        rules.check(gates, tiers)
    except AdmissionPolicyError as error:
        raise RulesInvalidError(str(error)) from error


def _rules_to_keep(rules: RuleBookDocument) -> dict[str, object]:
    """An explicit null lifts a limit, so what was never set must stay unset."""
    return rules.model_dump(mode="json", exclude_unset=True)


async def _find(session: AsyncSession, place: Place) -> Deployment:
    row = await repository.find_deployment(session, place)
    if row is None:
        raise DeploymentNotFoundError
    return row
