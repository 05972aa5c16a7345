"""Plugins for Tandem in Python: a process that speaks JSON lines on stdin and stdout.

    plugin = Plugin("loyalty", "0.1.0", config={...a JSON Schema...})

    @plugin.action("balance", params={...}, result={...})
    def balance(params, meta):
        return {"points": 7}

    plugin.run()

An action may raise Refused("not_found", "no such member"): flows branch on the code. Declared as
errors={"not_found": "no such member"}, a flow that branches on another is told so. What else it
raises is told as a failure of the plugin and logged. `plugin.config` is the configuration, `host`
asks Tandem for something, `log` writes to its log; print() goes there, too. Needs nothing but Python.
"""

import base64
import json
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor


class Refused(Exception):
    """A failure that was foreseen. `code` is a word for machines."""

    def __init__(self, code, message="", retry_after_ms=None, native_code=None):
        super().__init__(message)
        self.error = {"code": code, "message": message}
        if native_code is not None:
            self.error["native_code"] = native_code
        if retry_after_ms is not None:
            self.error["retry_after_ms"] = retry_after_ms


class HostError(Exception):
    """Tandem did not do what it was asked for."""

    def __init__(self, error):
        super().__init__(error.get("message", ""))
        self.code = error.get("code", "")


class Plugin:
    def __init__(self, name, version, config=None, serial=False, concurrency=4):
        self.config = {}
        self._concurrency = 1 if serial else concurrency
        self._manifest = {
            "name": name,
            "version": version,
            "kinds": {},
            "serial": serial,
            "concurrency": concurrency,
            "methods": {},
        }
        if config is not None:
            self._manifest["config"] = config
        self._methods = {}
        self._asked = {}
        self._next = 1
        self._lock = threading.Lock()
        # Only messages go out on stdout; what is printed goes to the log.
        self._out = sys.stdout.buffer
        sys.stdout = sys.stderr

    def action(self, name, **spec):
        """Names a method that flows call. `params` and `result` are JSON Schemas, `timeout_ms` how
        long it may take, `errors` leads from each code it refuses with to what it means, `idempotent`
        says that the same idempotency key twice does it once."""
        return self.method("action", "action." + name, **spec)

    def method(self, kind, name, **spec):
        """Names a method of any kind: ("translator", "translate"), ("exporter", "export")."""

        def add(run):
            self._manifest["kinds"][kind] = 1
            self._manifest["methods"][name] = spec
            self._methods[name] = run
            return run

        return add

    def log(self, message, level="info"):
        self._send({"method": "log", "params": {"level": level, "message": str(message)}})

    def host(self, method, **params):
        """Asks Tandem for something and waits: host("kv.get", key="a")."""
        answered = threading.Event()
        with self._lock:
            number, self._next = self._next, self._next + 1
            slot = self._asked[number] = {"done": answered}
        self._send({"id": number, "method": method, "params": params})
        answered.wait()
        if "error" in slot:
            raise HostError(slot["error"])
        return slot.get("result")

    def media(self, media):
        """The stored file that a part of a message names, in "channel.send" before anything is sent:
        its bytes, what it is, and its name or None."""
        try:
            found = self.host("media.get", media={"ref": media["ref"]})
        except HostError as error:
            if error.code in ("not_found", "too_large", "bad_input", "unknown_method"):
                raise Refused("rejected", str(error), native_code=error.code) from None
            raise Refused("transient", str(error)) from None
        return base64.b64decode(found["data"]), found["mime"], found.get("name")

    def run(self):
        """Answers until Tandem closes stdin."""
        # Receiving and its end never wait for a thread that other calls have.
        with ThreadPoolExecutor(self._concurrency + 2) as pool:
            for line in sys.stdin.buffer:
                message = json.loads(line)
                if "method" not in message:
                    slot = self._asked.pop(message["id"])
                    slot.update(message)
                    slot["done"].set()
                    continue
                if message["method"] == "plugin.destroy":
                    pool.shutdown(wait=True)
                    self._answer(message, None)
                    return
                if message["method"].startswith("plugin."):
                    self._begin(message)
                else:
                    pool.submit(self._call, message)

    def _begin(self, message):
        if message["method"] == "plugin.manifest":
            self._answer(message, self._manifest)
        else:
            self.config = message["params"].get("config", {})
            self._answer(message, None)

    def _call(self, message):
        run = self._methods.get(message["method"])
        if run is None:
            return self._fail(message, {"code": "unknown_method", "message": message["method"]})
        try:
            self._answer(message, run(message.get("params"), message.get("meta", {})))
        except Refused as refused:
            self._fail(message, refused.error)
        except Exception as problem:
            traceback.print_exc()
            self._fail(message, {"code": "panicked", "message": repr(problem)})

    def _answer(self, message, result):
        self._send({"id": message["id"], "result": result})

    def _fail(self, message, error):
        self._send({"id": message["id"], "error": error})

    def _send(self, message):
        # Half of a character is nothing that could be sent.
        line = json.dumps(message, ensure_ascii=False).encode(errors="replace")
        with self._lock:
            self._out.write(line + b"\n")
            self._out.flush()
