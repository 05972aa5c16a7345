"""A process that does right and wrong, by the method it is called with. How it begins is its first
argument."""

import json
import os
import sys
import threading
import time

begins = sys.argv[1] if len(sys.argv) > 1 else "well"
METHODS = (
    "echo die garbage never spin memory long twice stranger utf8 talk stderr ask bomb "
).split()
held = []


def send(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def answer(message, result):
    send({"id": message["id"], "result": result})


def raw(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


if begins == "dies":
    sys.stderr.write("no database\n")
    sys.exit(3)
if begins == "mute":
    time.sleep(1000)

for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method", "")
    if not method:
        # The host's answer to `ask`.
        answer(held.pop(), message)
    elif method == "plugin.manifest":
        kinds = {} if begins == "kindless" else {"action": 1}
        methods = {"action." + name: {} for name in METHODS}
        manifest = {"name": "h", "version": str(os.getpid()) if begins == "changes" else "1"}
        if begins == "serial":
            manifest["serial"] = True
        answer(message, {**manifest, "kinds": kinds, "methods": methods})
    elif method == "plugin.create":
        if begins == "refuses":
            send({"id": message["id"], "error": {"code": "no_key", "message": "the key is wrong"}})
        else:
            answer(message, None)
    elif method == "plugin.destroy":
        answer(message, None)
    elif method == "action.echo":
        answer(message, {"params": message["params"], "pid": os.getpid(), "env": sorted(os.environ)})
    elif method == "action.die":
        os._exit(7)
    elif method == "action.garbage":
        raw(b"debugging\n")
    elif method == "action.utf8":
        raw(b'{"id": %d, "result": {"a": "\xff"}}\n' % message["id"])
    elif method == "action.never":
        pass
    elif method == "action.spin":
        while True:
            pass
    elif method == "action.memory":
        try:
            answer(message, len(bytearray(4 << 30)))
        except MemoryError:
            send({"id": message["id"], "error": {"code": "memory", "message": "no more"}})
    elif method == "action.bomb":
        # Threads until there are no more; all of them wait.
        waiting = threading.Event()
        count = 0
        try:
            while count < 5000:
                threading.Thread(target=waiting.wait, daemon=True).start()
                count += 1
        except (RuntimeError, MemoryError):
            pass
        waiting.set()
        answer(message, count)
    elif method == "action.long":
        try:
            while True:
                raw(b"x" * 65536)
        except BrokenPipeError:
            os._exit(1)
    elif method == "action.twice":
        answer(message, 1)
        answer(message, 2)
    elif method == "action.stranger":
        send({"id": 987654321, "result": 1})
    elif method == "action.talk":
        for _ in range(3):
            send({"method": "log", "params": {"level": "warn", "message": "hello"}})
        answer(message, True)
    elif method == "action.stderr":
        sys.stderr.write("x" * (1 << 20) + "\n")
        sys.stderr.flush()
        answer(message, True)
    elif method == "action.ask":
        held.append(message)
        send({"id": "mine", "method": "kv.get", "params": {"key": "k"}})
