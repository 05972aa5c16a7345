"""The SDKs, live, for a test in another language: one JSON object a line on stdin, one a line on stdout.

    {"op": "list"}
      → {"ok": true, "platforms": {"slack": {"made_by": "slack_sdk 3.47.0", "sign": ["text", "challenge"], "judge": ["request"]}, …}}

    {"op": "sign", "platform": "slack", "config": {…}, "kind": "text", "text": "hello", "id": "k1", "now": 1760000000000}
      → {"ok": true, "request": {"method", "url", "headers", "body"}, "expect": {"id": "D1:1760000000.000001", "text": "hello"}}
      A fresh request as the platform would send it, signed (and encrypted, where the platform does) by the
      SDK. `config` holds what the channel's own configuration calls these secrets (see `CONFIG`; left out,
      a default). `kind`: "text", a customer's words; "challenge", the platform trying the address, whose
      answer is then in `expect`: `{"answer": text}` exactly, or `{"json": {…}}` to be equal. `id` makes the
      message's id, `now` (milliseconds) its time; without them both are new. `url`, the address it goes to.

    {"op": "judge", "platform": "slack", "config": {…}, "request": {…}, "now": …}
      → {"ok": true, "value": …}   the SDK accepts the request; `value` is what it read from it
      → {"ok": false, "error": "…"}   it does not

    {"op": "judge", "platform": "line", "call": {"url": "https://api.line.me/v2/bot/message/push", "json": {…}}}
      → {"ok": true, "value": …}   the SDK's models know every field of what Tandem sends ("line", "slack")

    {"op": "judge", "platform": "wechat", "config": {…}, "answer": {"status": 200, "headers": {…}, "body": "…"}}
      → {"ok": true, "value": "<xml>…"}   the SDK decrypted the passive reply
      The same for "miniprogram", "wecom" and "wxkf"; and for "qq", with the `event_ts` and `plain_token` of
      the op 13 that it answers, of which PyNaCl checks the signature.

A line that cannot be done gives {"ok": false, "error": …}, and the next is read. The script ends with its input.
Bodies that are not UTF-8 are `body_base64`.
"""

import json
import sys
import time
import uuid

import platforms
from cases_native import KEY, xml
from platforms import PLATFORMS, Refused, dumps, hub, wechat_echo, wecom_echo

WECHAT = {"token": "tandem-token", "encoding_aes_key": KEY}
META = {"app_secret": "meta-app-secret", "verify_token": "our-verify-token"}
CONFIG = {
    "line": {"channel_secret": "line-channel-secret"},
    "feishu": {"encrypt_key": "kudryavka", "verification_token": "v0eQu1tMw1xsV4cL"},
    "slack": {"signing_secret": "slack-signing-secret"},
    "whatsapp": META, "messenger": META,
    "viber": {"auth_token": "viber-auth-token", "sender_name": "Tandem"},
    "twilio": {"account_sid": "AC" + "a1" * 16, "auth_token": "12345"},
    "dingtalk": {"client_secret": "dingtalk-secret"},
    "douyin": {"client_secret": "douyin-secret", "open_id": "shop-open-id"},
    "qq": {"app_id": "11111111", "app_secret": "DG5g3B4j9X2KOErG"},
    "webhook": {"secret": "whsec-generic"},
    "discord": {"seed": "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"},
    "telegram": {"secret_token": "tandem_secret-1"},
    "wechat": WECHAT | {"app_id": "wx2c2769f8efd9abc2"}, "miniprogram": WECHAT | {"app_id": "wx2c2769f8efd9abc2"},
    "wecom": WECHAT | {"corp_id": "wx5823bf96d3bd56c7"}, "wxkf": WECHAT | {"corp_id": "wx5823bf96d3bd56c7"},
}


def text_body(name, config, words, key, now):
    """A customer's words as each platform puts them, and the id under which Tandem must know them."""
    secs, digits = now // 1000, str(uuid.uuid5(uuid.NAMESPACE_OID, key).int)[:18]
    hexes = uuid.uuid5(uuid.NAMESPACE_OID, key).hex
    if name == "line":
        return {"destination": "U1", "events": [{"type": "message", "mode": "active", "timestamp": now, "webhookEventId": key, "deliveryContext": {"isRedelivery": False},
                "source": {"type": "user", "userId": "U2"}, "replyToken": "r", "message": {"type": "text", "id": digits, "quoteToken": "q", "text": words}}]}, key
    if name == "feishu":
        return {"schema": "2.0", "header": {"event_id": hexes, "event_type": "im.message.receive_v1", "create_time": str(now), "token": config["verification_token"], "app_id": "cli_1", "tenant_key": "t"},
                "event": {"sender": {"sender_id": {"open_id": "ou_1"}, "sender_type": "user"}, "message": {
                    "message_id": key, "create_time": str(now), "chat_id": "oc_1", "chat_type": "p2p", "message_type": "text", "content": dumps({"text": words})}}}, key
    if name == "slack":
        ts = f"{secs}.{int(digits[:6]):06d}"
        words = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")  # as Slack writes them
        return {"type": "event_callback", "event_id": "Ev" + hexes, "api_app_id": "A1", "authorizations": [{"user_id": "UBOT"}],
                "event": {"type": "message", "channel": "D1", "channel_type": "im", "user": "U1", "text": words, "ts": ts, "event_ts": ts}}, f"D1:{ts}"
    if name == "whatsapp":
        return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
            "messaging_product": "whatsapp", "metadata": {"phone_number_id": "106540352242922"}, "contacts": [{"profile": {"name": "Ada"}, "wa_id": "16505551234"}],
            "messages": [{"from": "16505551234", "id": key, "timestamp": str(secs), "type": "text", "text": {"body": words}}]}}]}]}, key
    if name == "messenger":
        return {"object": "page", "entry": [{"id": "1", "time": now, "messaging": [{"sender": {"id": "2"}, "recipient": {"id": "1"}, "timestamp": now, "message": {"mid": key, "text": words}}]}]}, key
    if name == "viber":
        return {"event": "message", "timestamp": now, "message_token": int(digits), "chat_hostname": "SN", "sender": {"id": "01=", "name": "Ada"}, "message": {"type": "text", "text": words}}, digits
    if name == "dingtalk":
        return {"msgId": key, "conversationId": "cid1", "conversationType": "1", "senderStaffId": "s1", "senderId": "$1", "senderNick": "Ada", "createAt": now, "msgtype": "text", "text": {"content": words}}, key
    if name == "douyin":
        return {"event": "im_receive_msg", "client_key": "awx1", "from_user_id": "c1", "to_user_id": config["open_id"], "content": {
            "conversation_short_id": "@c", "server_message_id": key, "conversation_type": 1, "create_time": now, "message_type": "text", "text": words}}, key
    if name == "qq":
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(secs))
        return {"id": key, "op": 0, "t": "C2C_MESSAGE_CREATE", "d": {"id": "m" + digits, "author": {"user_openid": "u1"}, "content": words, "timestamp": at}}, key
    if name == "webhook":
        return {"conversation": {"id": "c1"}, "sender": {"id": "c1"}, "text": words}, key
    if name == "telegram":
        update = int(digits[:9])
        return {"update_id": update, "message": {"message_id": 1, "date": secs, "chat": {"id": 1, "type": "private"}, "from": {"id": 1, "is_bot": False, "first_name": "Ada"}, "text": words}}, str(update)
    if name in ("wechat", "wecom"):
        return xml(ToUserName=config.get("corp_id", "gh_1"), FromUserName="oUser1", CreateTime=secs, MsgType="text", Content=words, MsgId=int(digits)), digits
    if name == "miniprogram":
        return dumps({"ToUserName": "gh_1", "FromUserName": "oUser1", "CreateTime": secs, "MsgType": "text", "Content": words, "MsgId": int(digits)}), digits
    raise Refused(f"{name} sends no text by webhook")


def sign_text(name, config, ask, now):
    words, key = ask.get("text", "hello"), ask.get("id") or uuid.uuid4().hex
    sign = PLATFORMS[name].sign
    if name == "twilio":
        sid = "SM" + uuid.uuid5(uuid.NAMESPACE_OID, key).hex
        form = {"MessageSid": sid, "AccountSid": config["account_sid"], "From": "+14158675309", "To": "+14158141829", "Body": words, "NumMedia": "0", "SmsStatus": "received"}
        return sign(config, now, form), {"id": sid, "text": words}
    body, event_id = text_body(name, config, words, key, now)
    request = sign(config, now, body, key) if name == "webhook" else sign(config, now, body)
    return request, {"id": event_id, "text": words}


def sign_challenge(name, config, ask, now):
    word, sign = (ask.get("id") or uuid.uuid4().hex)[:40], PLATFORMS[name].sign
    if name == "feishu":
        body = {"challenge": word, "token": config["verification_token"], "type": "url_verification"}
        return sign(config, now, body, signed=False), {"json": {"challenge": word}}
    if name == "slack":
        return sign(config, now, {"token": "t", "challenge": word, "type": "url_verification"}), {"answer": word}
    if name in ("whatsapp", "messenger"):
        return hub(name, config, challenge=word), {"answer": word}
    if name == "douyin":
        return sign(config, now, {"event": "verify_webhook", "client_key": "awx1", "content": {"challenge": 12345}}), {"json": {"challenge": 12345}}
    if name == "qq":
        ts = str(now // 1000)
        return sign(config, now, {"op": 13, "d": {"plain_token": word, "event_ts": ts}}), {"event_ts": ts, "plain_token": word}
    if name == "discord":
        return sign(config, now, {"id": "1", "application_id": "2", "type": 1, "token": "t", "version": 1}), {"json": {"type": 1}}
    if name in ("wechat", "miniprogram"):
        return wechat_echo(name, config, now, word), {"answer": word}
    if name in ("wecom", "wxkf"):
        return wecom_echo(name, config, now, word), {"answer": word}
    raise Refused(f"{name} tries no address")


CHALLENGES = ("feishu", "slack", "whatsapp", "messenger", "douyin", "qq", "discord", "wechat", "miniprogram", "wecom", "wxkf")
TEXTS = tuple(n for n in PLATFORMS if n not in ("discord", "wxkf"))


def answer(ask):
    if ask["op"] == "list":
        return {"platforms": {name: {
            "made_by": p.made_by, "sign": [k for k, names in (("text", TEXTS), ("challenge", CHALLENGES)) if name in names],
            "judge": [k for k, can in (("request", p.verify), ("answer", p.open), ("call", p.accept)) if can]} for name, p in PLATFORMS.items()}}
    name = ask["platform"]
    config = CONFIG[name] | ask.get("config", {})
    now = ask.get("now") or int(time.time() * 1000)
    if ask["op"] == "sign":
        make = {"text": sign_text, "challenge": sign_challenge}[ask.get("kind", "text")]
        if ask.get("url"):  # some platforms sign the address, too
            platforms.hook = lambda _: ask["url"]
        request, expect = make(name, config, ask, now)
        return {"request": request, "expect": expect}
    if ask["op"] == "judge":
        platform = PLATFORMS[name]
        if "answer" in ask:
            if not platform.open:
                raise Refused(f"no SDK reads the answers of {name}")
            more = {k: ask[k] for k in ("event_ts", "plain_token") if k in ask}
            return {"value": platform.open(config, ask["answer"], **more)}
        if "call" in ask:
            if not platform.accept:
                raise Refused(f"no SDK judges the calls to {name}")
            return {"value": platform.accept(ask["call"])}
        if not platform.verify:
            raise Refused(f"no SDK judges the requests of {name}")
        return {"value": platform.verify(config, now, ask["request"])}
    raise Refused(f"unknown op {ask['op']!r}")


def main():
    original = platforms.hook
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            reply = {"ok": True} | answer(json.loads(line))
        except Exception as e:  # whatever goes wrong is this line's answer; the next one still counts
            reply = {"ok": False, "error": f"{type(e).__name__}: {e}"}
        finally:
            platforms.hook = original
        print(json.dumps(reply, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
