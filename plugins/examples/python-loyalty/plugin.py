#!/usr/bin/env python3
"""Loyalty points: how many a member has, and new ones for what was bought."""

import threading

from tandem_plugin import Plugin, Refused

plugin = Plugin(
    "loyalty",
    "0.1.0",
    config={
        "type": "object",
        "required": ["members"],
        "additionalProperties": False,
        "properties": {
            "members": {"type": "array", "items": {"type": "string"}},
            "points_per_unit": {"type": "integer", "minimum": 1},
        },
    },
)

MEMBER = {"type": "string", "minLength": 1, "maxLength": 64}
POINTS = {
    "type": "object",
    "required": ["points", "tier"],
    "properties": {"points": {"type": "integer"}, "tier": {"enum": ["basic", "silver", "gold"]}},
}
ERRORS = {"not_found": "there is no such member"}
# One booking at a time: each reads what the one before wrote.
booking = threading.Lock()


def account(member):
    if member not in plugin.config["members"]:
        raise Refused("not_found", ERRORS["not_found"])
    kept = plugin.host("kv.get", key="points/" + member)["value"]
    return kept or {"points": 0, "booked": []}


def shown(kept):
    points = kept["points"]
    tier = "gold" if points >= 1000 else "silver" if points >= 200 else "basic"
    return {"points": points, "tier": tier}


@plugin.action(
    "balance",
    params={"type": "object", "required": ["member"], "properties": {"member": MEMBER}},
    result=POINTS,
    errors=ERRORS,
    timeout_ms=2000,
)
def balance(params, meta):
    return shown(account(params["member"]))


@plugin.action(
    "earn",
    params={
        "type": "object",
        "required": ["member", "amount"],
        "properties": {"member": MEMBER, "amount": {"type": "integer", "minimum": 1}},
    },
    result=POINTS,
    errors=ERRORS,
    timeout_ms=2000,
    idempotent=True,
)
def earn(params, meta):
    with booking:
        kept = account(params["member"])
        key = meta.get("idempotency_key")
        # The same purchase told twice counts once.
        if key is None or key not in kept["booked"]:
            kept["points"] += params["amount"] * plugin.config.get("points_per_unit", 1)
            kept["booked"] = (kept["booked"] + [key])[-100:] if key else kept["booked"]
            plugin.host("kv.put", key="points/" + params["member"], value=kept)
            plugin.log("booked for a member")
        return shown(kept)


if __name__ == "__main__":
    plugin.run()
