"""Bodies to begin from, by the name of their schema: what a reader of the description sends first.
Keys and signatures are of the right form and are nobody's.
"""

from collections.abc import Mapping
from typing import Any, Final

_ID: Final = "01a1f3c0-5a7b-7c3d-8e4f-0123456789ab"
_PASSWORD: Final = "several words that nobody guesses"  # noqa: S105 - an example
_TOKEN: Final = "the token from the letter's link"  # noqa: S105 - an example
_BYTES_32: Final = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
_BYTES_16: Final = "AAECAwQFBgcICQoLDA0ODw=="
_BYTES_64: Final = (
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="
)
_POINT: Final = "AmsX0fLhLEJH+Lzm5WOkQPJ3A32BLeszoPShOUXYmMKW"
"""The base point of P-256, compressed."""
_URL_SAFE: Final = "AAECAwQFBgcICQoLDA0ODw"
_TICKETS: Final = [{"ticket_type_id": _ID, "count": 2}]
_ASSERTION: Final = {
    "id": _URL_SAFE,
    "rawId": _URL_SAFE,
    "type": "public-key",
    "response": {
        "clientDataJSON": _URL_SAFE,
        "authenticatorData": _URL_SAFE,
        "signature": _URL_SAFE,
        "userHandle": _URL_SAFE,
    },
}
_OPENID: Final = {
    "code": "the code from the provider's redirect",
    "state": "the state from the same redirect",
    "flow_token": "the token that the request for it answered with",
}

_PEOPLE: Final[Mapping[str, dict[str, Any]]] = {
    "NewSignUp": {
        "address": "grace@example.org",
        "display_name": "Grace Akello",
        "language": "sw",
    },
    "ChosenPassword": {"token": _TOKEN, "password": _PASSWORD},
    "NewSession": {"address": "grace@example.org", "password": _PASSWORD, "code": "492039"},
    "ForgottenPassword": {"address": "grace@example.org"},
    "PasswordChange": {
        "present_password": _PASSWORD,
        "new_password": "other words that nobody guesses",
    },
    "NewSecondFactor": {"present_password": _PASSWORD},
    "SecondFactorCode": {"code": "492039"},
    "NewOpenidRequest": {"language": "fr"},
    "NewOpenidSession": _OPENID,
    "OpenidAnswer": _OPENID,
    "NewPasskeySession": {"challenge_id": _ID, "credential": _ASSERTION},
    "NewPasskey": {
        "registration_id": _ID,
        "name": "Grace's phone",
        "credential": {
            "id": _URL_SAFE,
            "rawId": _URL_SAFE,
            "type": "public-key",
            "response": {
                "clientDataJSON": _URL_SAFE,
                "attestationObject": _URL_SAFE,
                "transports": ["internal"],
            },
        },
    },
    "PasskeyProof": {"challenge_id": _ID, "credential": _ASSERTION},
    "PasskeyName": {"name": "Grace's phone"},
    "NewOrganizer": {"name": "Nile Nights"},
    "NewMember": {"user_id": _ID, "capabilities": ["scans.view", "scanners.provision"]},
    "MemberCapabilities": {"capabilities": ["finance.view", "payouts.request"]},
    "NewInvitation": {
        "address": "moses@example.org",
        "capabilities": ["scanners.provision"],
        "language": "lg",
    },
    "InvitationAnswer": {"token": _TOKEN},
    "NewServiceAccount": {
        "name": "Till at the door",
        "capabilities": ["tickets.issue"],
        "days": 30,
    },
}
_EVENTS: Final[Mapping[str, dict[str, Any]]] = {
    "NewEvent": {
        "name": "Nile Nights 2026",
        "base_time": "2026-12-12T00:00:00+03:00",
        "timezone": "Africa/Kampala",
        "venue": "Lugogo Cricket Oval",
    },
    "NewGate": {"name": "Main gate", "zones": [0]},
    "NewZone": {"name": "Ground"},
    "NewTicketType": {"name": "Regular", "zones": [0], "reentry_allowed": True},
    "NewTickets": {
        "tickets": [{"ticket_type_id": _ID, "holder_name": "Grace Akello", "seat": "B 12"}]
    },
    "StatusChange": {"status": "cancelled", "reason": "The visitor asked for it"},
    "Transfer": {"holder_name": "Moses Okello"},
    "Binding": {"holder_algorithm": "p256", "holder_key": _POINT},
    "NewDeployment": {"name": "Doors", "gate_ids": [_ID], "confirm_devices": True},
    "RuleBookDocument": {
        "version": 1,
        "rules": [
            {"set": {"entries_max": 1, "reentry_open": True}},
            {"scope": {"gates": [_ID]}, "set": {"capacity": 500}},
        ],
    },
    "NewEnrolmentCode": {"gate_id": _ID},
    "EnrolmentRequest": {
        "code": _BYTES_16,
        "signing_key": _POINT,
        "sealing_key": _POINT,
        "name": "Kiosk at the main gate",
        "software_version": "0.1.0",
    },
    "SessionRequest": {"device_id": _ID, "nonce": _BYTES_16},
    "Resolution": {"reason": "Two friends at one phone, both had paid"},
    "ScanBatch": {
        "device_id": _ID,
        "entries": [{"seq": 1, "entry": _BYTES_32, "entry_hash": _BYTES_32}],
        "signature": _BYTES_64,
    },
    "Heartbeat": {
        "queue_length": 0,
        "journal_seq": 214,
        "snapshot_version": 3,
        "camera": "good",
        "clock": "good",
        "clock_uncertainty_ms": 40,
        "battery_percent": 81,
        "software_version": "0.1.0",
        "nonce": _BYTES_16,
    },
}
_MONEY: Final[Mapping[str, dict[str, Any]]] = {
    "OfferWanted": {
        "currency": "UGX",
        "price": 50_000,
        "quantity": 2_000,
        "sales_until": "2026-12-12T18:00:00+03:00",
        "per_buyer_max": 6,
    },
    "NewPromoCode": {"code": "EARLY-BIRD", "basis_points": 1_000, "uses_max": 200},
    "NewQuote": {"tickets": _TICKETS, "promo_code": "EARLY-BIRD"},
    "NewOrder": {
        "tickets": _TICKETS,
        "buyer": {
            "name": "Grace Akello",
            "address": "grace@example.org",
            "phone": "+256772123456",
            "language": "en",
        },
        "total": 100_000,
        "payment": {"provider": "mtn", "phone": "+256772123456"},
    },
    "PaymentWanted": {"provider": "mtn", "phone": "+256772123456"},
    "NewCashOrder": {"tickets": _TICKETS, "total": 100_000},
    "NewRefundWanted": {"reason": "The event was moved", "lines": [1]},
    "RefundDecision": {"given_back": True, "reason": "Stands in the statement of 12 December"},
    "NewFeeRule": {
        "name": "service_fee",
        "kind": "platform_fee",
        "bearer": "organizer",
        "basis_points": 500,
        "currency": "UGX",
        "cap_minor_units": 20_000,
    },
    "NewHoldRule": {"hold_days": 5, "reason": "A new organizer"},
    "NewDestination": {
        "label": "Nile Nights' MoMo",
        "rail": "mtn",
        "currency": "UGX",
        "holder": "Grace Akello",
        "account": "+256772123456",
    },
    "NewPayout": {"destination_id": _ID, "currency": "UGX", "amount": 1_500_000},
    "Approval": {"accepts_name": False},
    "Refusal": {"reason": "The account is another's"},
    "Discarding": {"reason": "Its event was cancelled"},
    "NewQrCode": {"text": "otpauth://totp/ZERAKET:grace?secret=GEZDGNBVGY3TQOJQ&issuer=ZERAKET"},
}

EXAMPLES: Final[Mapping[str, dict[str, Any]]] = {**_PEOPLE, **_EVENTS, **_MONEY}


def show_examples(document: dict[str, Any]) -> dict[str, Any]:
    """Put each into its schema in an OpenAPI 3.1 document."""
    for name, example in EXAMPLES.items():
        schema = document["components"]["schemas"].get(name)
        if schema is not None:
            schema["examples"] = [example]
    return document
