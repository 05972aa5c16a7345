"""The judge accepts what it signed and refuses it once a bit has changed. `python test_judge.py`"""

import base64
import json
import subprocess
import sys
from pathlib import Path

from judge import CHALLENGES, CONFIG, TEXTS
from platforms import PLATFORMS, body_of, qq_key, wechat_crypto


class Judge:
    def __init__(self):
        self.process = subprocess.Popen([sys.executable, Path(__file__).with_name("judge.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def main():
    judge = Judge()
    listed = judge.ask(op="list")["platforms"]
    assert set(listed) == set(PLATFORMS) == set(CONFIG)
    for name in TEXTS:
        signed = judge.ask(op="sign", platform=name, text="你好 😀", id="k-1", url=f"https://tandem.example.test/hooks/{name}/a")
        assert signed["ok"], (name, signed)
        assert signed["request"]["url"].startswith("https://tandem.example.test/"), (name, signed)
        if "request" not in listed[name]["judge"]:
            continue
        verdict = judge.ask(op="judge", platform=name, request=signed["request"])
        assert verdict["ok"], (name, verdict)
        if name == "telegram":
            continue  # its secret does not cover the body
        body = bytearray(body_of(signed["request"]))
        body[len(body) // 2] ^= 1
        changed = {k: v for k, v in signed["request"].items() if k != "body"} | {"body_base64": base64.b64encode(body).decode()}
        assert not judge.ask(op="judge", platform=name, request=changed)["ok"], name
    for name in CHALLENGES:
        assert judge.ask(op="sign", platform=name, kind="challenge")["ok"], name
    for name in ("wechat", "wecom", "wxkf", "miniprogram"):
        sealed = wechat_crypto(CONFIG[name]).encrypt_message("<xml>好</xml>", "n", "1760000000")
        assert judge.ask(op="judge", platform=name, answer={"body": sealed})["value"] == "<xml>好</xml>", name
        assert not judge.ask(op="judge", platform=name, answer={"body": sealed.replace("<TimeStamp>1", "<TimeStamp>2")})["ok"], name
    signature = qq_key(CONFIG["qq"]).sign(b"1760000000token").signature.hex()
    told = {"body": json.dumps({"plain_token": "token", "signature": signature})}
    assert judge.ask(op="judge", platform="qq", answer=told, event_ts="1760000000", plain_token="token")["ok"]
    assert not judge.ask(op="judge", platform="qq", answer=told, event_ts="1760000001", plain_token="token")["ok"]
    push = {"url": "https://api.line.me/v2/bot/message/push", "json": {"to": "U1", "messages": [{"type": "text", "text": "hi"}]}}
    assert judge.ask(op="judge", platform="line", call=push)["ok"]
    push["json"]["messages"][0]["txet"] = "typo"
    assert not judge.ask(op="judge", platform="line", call=push)["ok"]
    assert not judge.ask(op="nonsense", platform="qq")["ok"]
    print("the judge signs, accepts and refuses as it should")


if __name__ == "__main__":
    main()
