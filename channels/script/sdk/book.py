"""The fixtures of one channel, collected and written as `NAME.fixtures.jsonl`."""

import json

from platforms import PLATFORMS, hook

NOW = 1_760_000_000_000  # the time in every fixture
SECS = NOW // 1000
PERSON = "张伟"


class Book:
    def __init__(self, name, config, folder="files"):
        self.name, self.config, self.folder = name, config, folder
        self.platform, self.lines = PLATFORMS[name], []

    def sign(self, *args, **kwargs):
        return self.platform.sign(self.config, NOW, *args, **kwargs)

    def webhook(self, name, request, events=None, response=None, status=200, now=NOW, alert=False, made_by=None):
        expect = {"status": status}
        if alert:
            expect["alert"] = True
        else:
            expect["events"] = events or []
        if response is not None:
            expect["response"] = response
        self.lines.append({"name": name, "made_by": made_by or self.platform.made_by, "config": self.config, "now": now,
                           "request": request, "expect": expect})

    def signed(self, name, what, events=None, **expect):
        """A request signed over `what`, and the events the platform's documentation says it means."""
        self.webhook(name, self.sign(what), events, **expect)

    def send(self, name, message, http, expect, token=None):
        line = {"name": name, "message": message, "config": self.config, "http": http, "expect": expect}
        for one in http:
            if self.platform.accept and "json" in one["request"]:
                self.platform.accept(one["request"])  # what we expect to send, the SDK must know
        if token:
            line["token"] = token
        self.lines.append(line)

    def call(self, name, call, http, expect, **more):
        self.lines.append({"name": name, "call": call, "config": self.config, "http": http, "expect": expect} | more)

    def write(self, root):
        path = root / self.folder / f"{self.name}.fixtures.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self.lines))
        return path


def text(t):
    return {"type": "text", "text": t}


def dm(person, **more):
    return {"kind": "dm", "id": person} | more


def call(url, json=None, status=200, reply=None, headers=None, **request):
    """One HTTP call that a channel makes, and what the platform answers."""
    want = {"url": url} | ({"json": json} if json is not None else {}) | request
    answer = {"status": status} | ({"json": reply} if reply is not None else {}) | ({"headers": headers} if headers else {})
    return {"request": want, "reply": answer}


def without(request, name):
    return request | {"headers": {k: v for k, v in request["headers"].items() if k.lower() != name.lower()}}


def changed(request, name, value):
    return request | {"headers": request["headers"] | {name: value}}


__all__ = ["Book", "NOW", "SECS", "PERSON", "text", "dm", "call", "without", "changed", "hook"]
