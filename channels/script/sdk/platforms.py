"""How each platform signs what it sends, done by the platforms' own or independent SDKs.

`PLATFORMS[name]` has four functions, each of which may be None:

    sign(config, now, **what) -> request     a request as the platform would send it
    verify(config, now, request) -> value    the SDK's judgement of a request; raises Refused
    open(config, answer, **what) -> value    the SDK reads what Tandem answered or encrypted; raises Refused
    accept(call) -> value                    the SDK's models take the JSON that Tandem sends; raises Refused

`now` is milliseconds. A request is `{method, url, headers, body | body_base64}`. Where an SDK can only
verify, the signature is made with the standard library and the SDK judges it before it goes out; where a
platform has no SDK that could do either, `MADE_BY` says so.
"""

import base64
import contextlib
import hashlib
import hmac
import io
import json
import logging
import random
from importlib.metadata import version
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlencode, urlsplit

logging.disable(logging.CRITICAL)


class Refused(Exception):
    """An SDK does not accept what it was shown."""


def dumps(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def hook(name):
    return f"https://hooks.example.test/hooks/{name}/test"


def made_by(*packages):
    return ", ".join(f"{p} {version(p)}" if p != "python" else "Python's hmac and hashlib" for p in packages)


def body_of(request):
    if "body_base64" in request:
        return base64.b64decode(request["body_base64"])
    return request.get("body", "").encode()


def header(request, name):
    for key, value in request["headers"].items():
        if key.lower() == name.lower():
            return value
    raise Refused(f"the request has no {name}")


def query_of(request):
    return dict(parse_qsl(urlsplit(request["url"]).query, keep_blank_values=True))


def check(value, why):
    if not value:
        raise Refused(why)
    return value


def post(name, body, headers, url=None):
    return {"method": "POST", "url": url or hook(name), "headers": headers, "body": body}


JSON = {"Content-Type": "application/json"}


# LINE: the SDK verifies and parses.

def line_sign(config, now, body):
    text = dumps(body)
    mac = hmac.new(config["channel_secret"].encode(), text.encode(), hashlib.sha256).digest()
    request = post("line", text, {"Content-Type": "application/json; charset=utf-8", "User-Agent": "LineBotWebhook/2.0",
                                  "X-Line-Signature": base64.b64encode(mac).decode()})
    line_verify(config, now, request)
    return request


def line_verify(config, now, request):
    from linebot.v3 import WebhookParser
    from linebot.v3.exceptions import InvalidSignatureError
    try:
        events = WebhookParser(config["channel_secret"]).parse(body_of(request).decode(), header(request, "X-Line-Signature"))
    except InvalidSignatureError as e:
        raise Refused(str(e)) from e
    return [type(e).__name__ for e in events]


def line_accept(call):
    """`call` is `{url, json}`: every message in it must be one that the SDK knows, field by field."""
    from linebot.v3 import messaging
    from pydantic.v1 import ValidationError
    body = call["json"]
    kinds = {"text": messaging.TextMessage, "image": messaging.ImageMessage, "video": messaging.VideoMessage,
             "audio": messaging.AudioMessage, "template": messaging.TemplateMessage}
    try:
        if call["url"].endswith("/loading/start"):
            return messaging.ShowLoadingAnimationRequest.parse_obj(body).dict(by_alias=True)
        request = messaging.ReplyMessageRequest if call["url"].endswith("/reply") else messaging.PushMessageRequest
        request.parse_obj(body)
        made = [kinds[m["type"]].from_dict(m) for m in body["messages"]]
    except (ValidationError, KeyError, ValueError) as e:
        raise Refused(f"line-bot-sdk does not know such a message: {e}") from e
    for sent, message in zip(body["messages"], made):
        lost = set(sent) - set(message.dict(by_alias=True, exclude_none=True))
        check(not lost, f"line-bot-sdk knows no {lost} of a {sent['type']} message")
    return len(made)


# Feishu and Lark: the SDK decrypts, verifies and dispatches.

def feishu_seal(config, text, seed="feishu"):
    from Crypto.Cipher import AES
    from Crypto.Util.Padding import pad
    key = hashlib.sha256(config["encrypt_key"].encode()).digest()
    iv = hashlib.md5((seed + text).encode()).digest()
    sealed = iv + AES.new(key, AES.MODE_CBC, iv).encrypt(pad(text.encode(), 16))
    return dumps({"encrypt": base64.b64encode(sealed).decode()})


def feishu_sign(config, now, body, encrypted=True, signed=True):
    text = dumps(body)
    text = feishu_seal(config, text) if encrypted else text
    ts, nonce = str(now // 1000), str(now % 1_000_000_007)
    headers = dict(JSON)
    if signed:
        digest = hashlib.sha256((ts + nonce + config["encrypt_key"]).encode() + text.encode()).hexdigest()
        headers |= {"X-Lark-Request-Timestamp": ts, "X-Lark-Request-Nonce": nonce, "X-Lark-Signature": digest}
    request = post("feishu", text, headers)
    feishu_verify(config, now, request)
    return request


def feishu_verify(config, now, request):
    from lark_oapi import EventDispatcherHandler, RawRequest
    from lark_oapi.event.callback.model.p2_card_action_trigger import P2CardActionTriggerResponse
    seen = []
    builder = EventDispatcherHandler.builder(config["encrypt_key"], config["verification_token"])
    builder.register_p2_im_message_receive_v1(lambda e: seen.append(e.event.message.message_id))
    builder.register_p2_im_message_recalled_v1(lambda e: seen.append(e.event.message_id))
    builder.register_p2_im_chat_access_event_bot_p2p_chat_entered_v1(lambda e: seen.append(e.event.chat_id))
    builder.register_p2_im_message_message_read_v1(lambda e: seen.append("read"))

    def pressed(e):
        seen.append(e.event.action.value)
        return P2CardActionTriggerResponse({})
    builder.register_p2_card_action_trigger(pressed)
    raw = RawRequest()
    raw.uri, raw.body = request["url"], body_of(request)
    raw.headers = {"X-Lark-Request-Timestamp": "", "X-Lark-Request-Nonce": "", "X-Lark-Signature": ""} | request["headers"]
    answer = builder.build().do(raw)
    check(answer.status_code == 200, (answer.content or b"").decode())
    challenge = json.loads(answer.content).get("challenge") if answer.content else None
    return {"challenge": challenge} if challenge else seen


# Slack: the SDK signs and verifies.

def slack_sign(config, now, body=None, form=None, ts=None):
    from slack_sdk.signature import SignatureVerifier
    text = dumps(body) if form is None else urlencode(form)
    ts = ts or str(now // 1000)
    signature = SignatureVerifier(config["signing_secret"]).generate_signature(timestamp=ts, body=text)
    kind = "application/json" if form is None else "application/x-www-form-urlencoded"
    return post("slack", text, {"Content-Type": kind, "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
                                "X-Slack-Request-Timestamp": ts, "X-Slack-Signature": signature})


def slack_verify(config, now, request):
    from slack_sdk.signature import SignatureVerifier
    clock = SimpleNamespace(now=lambda: now / 1000)
    ok = SignatureVerifier(config["signing_secret"], clock).is_valid_request(body_of(request), request["headers"])
    return check(ok, "slack_sdk refuses the signature or the time")


def slack_accept(call):
    """The SDK's models parse the blocks and check their limits."""
    from slack_sdk.errors import SlackObjectFormationError
    from slack_sdk.models.blocks import Block
    blocks = call["json"].get("blocks") or []
    try:
        parsed = Block.parse_all(blocks)
        check(len(parsed) == len(blocks), "slack_sdk does not know every block")
        for block in parsed:
            block.validate_json()
            for element in getattr(block, "elements", None) or []:
                element.validate_json()
    except SlackObjectFormationError as e:
        raise Refused(f"slack_sdk refuses a block: {e}") from e
    return len(blocks)


# Meta's webhooks (WhatsApp, Messenger, Instagram): pywa verifies.

def meta_sign(name):
    def sign(config, now, body):
        text = dumps(body)
        mac = hmac.new(config["app_secret"].encode(), text.encode(), hashlib.sha256).hexdigest()
        request = post(name, text, JSON | {"User-Agent": "facebookexternalua", "X-Hub-Signature-256": "sha256=" + mac})
        meta_verify(config, now, request)
        return request
    return sign


def meta_verify(config, now, request):
    from pywa.utils import webhook_updates_validator
    ok = webhook_updates_validator(config["app_secret"], body_of(request), header(request, "X-Hub-Signature-256"))
    return check(ok, "pywa refuses the signature")


def hub(name, config, token=None, challenge="1158201444"):
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": token or config["verify_token"]}
    return {"method": "GET", "url": hook(name) + "?" + urlencode(query), "headers": {"User-Agent": "facebookplatform/1.0"}}


# Viber: the SDK signs, verifies and parses.

def viber_api(config):
    from viberbot import Api
    from viberbot.api.bot_configuration import BotConfiguration
    return Api(BotConfiguration(auth_token=config["auth_token"], name=config["sender_name"], avatar=None))


def viber_sign(config, now, body):
    text = dumps(body)
    api = viber_api(config)
    signature = api._calculate_message_signature(text.encode())
    api.parse_request(text)
    return post("viber", text, JSON | {"X-Viber-Content-Signature": signature})


def viber_verify(config, now, request):
    ok = viber_api(config).verify_signature(body_of(request), header(request, "X-Viber-Content-Signature"))
    return check(ok, "viberbot refuses the signature")


# Twilio: the SDK signs and verifies.

def twilio_sign(config, now, form=None, body=None, algorithm=None, port=False):
    from twilio.request_validator import RequestValidator
    validator, url = RequestValidator(config["auth_token"]), hook("twilio")
    headers = {"User-Agent": "TwilioProxy/1.1", "I-Twilio-Idempotency-Token": "00000000-0000-4000-8000-000000000000"}
    if body is None:
        params, kind = dict(form), "application/x-www-form-urlencoded"
        text = urlencode(form)
    else:
        text, params, kind = dumps(body), {}, "application/json"
        url += "?bodySHA256=" + validator.compute_hash(text)
    signed_url = url.replace("example.test/", "example.test:443/") if port else url
    headers |= {"Content-Type": kind, "X-Twilio-Signature": validator.compute_signature(signed_url, params, algorithm)}
    if algorithm:
        headers["X-Twilio-Webhooks-Signature-Settings"] = f"key=webhooks_sharedkey_1,algorithm={algorithm}"
    request = post("twilio", text, headers, url)
    twilio_verify(config, now, request)
    return request


def twilio_verify(config, now, request):
    from twilio.request_validator import RequestValidator, get_signature_algorithm
    settings = next((v for k, v in request["headers"].items() if k.lower() == "x-twilio-webhooks-signature-settings"), None)
    text = body_of(request).decode()
    params = text if "bodySHA256" in request["url"] else dict(parse_qsl(text, keep_blank_values=True))
    ok = RequestValidator(config["auth_token"]).validate(
        request["url"], params, header(request, "X-Twilio-Signature"), get_signature_algorithm(settings))
    return check(ok, "twilio refuses the signature")


# DingTalk, Douyin, the generic webhook: no SDK of theirs does this; the published formula, by the standard library.

def dingtalk_sign(config, now, body, ts=None):
    ts = ts or str(now)
    mac = hmac.new(config["client_secret"].encode(), f"{ts}\n{config['client_secret']}".encode(), hashlib.sha256).digest()
    return post("dingtalk", dumps(body), {"Content-Type": "application/json; charset=utf-8", "timestamp": ts,
                                          "sign": base64.b64encode(mac).decode()})


def douyin_sign(config, now, body):
    text = dumps(body)
    digest = hashlib.sha1((config["client_secret"] + text).encode()).hexdigest()
    return post("douyin", text, JSON | {"X-Douyin-Signature": digest, "Msg-Id": "unsigned-and-unused"})


def webhook_signature(config, ts, key, text):
    return "sha256=" + hmac.new(config["secret"].encode(), f"{ts}.{key}.{text}".encode(), hashlib.sha256).hexdigest()


def webhook_sign(config, now, body, key, ts=None):
    text, ts = dumps(body), ts or str(now // 1000)
    return post("webhook", text, JSON | {"Idempotency-Key": key, "X-Tandem-Timestamp": ts,
                                         "X-Tandem-Signature": webhook_signature(config, ts, key, text)})


def webhook_verify(config, now, request):
    ts, key = header(request, "X-Tandem-Timestamp"), header(request, "Idempotency-Key")
    check(abs(int(ts) - now // 1000) <= 300, "the time is not now")
    want = webhook_signature(config, ts, key, body_of(request).decode())
    return check(hmac.compare_digest(want, header(request, "X-Tandem-Signature")), "the signature is another")


# QQ: PyNaCl signs and verifies.

def qq_key(config):
    from nacl.signing import SigningKey
    return SigningKey((config["app_secret"] * 32)[:32].encode())


def qq_sign(config, now, body=None, text=None, ts=None):
    text, ts = text if text is not None else dumps(body), ts or str(now // 1000)
    signature = qq_key(config).sign((ts + text).encode()).signature.hex()
    return post("qq", text, JSON | {"User-Agent": "QQBot-Callback", "X-Bot-Appid": config["app_id"],
                                    "X-Signature-Method": "Ed25519", "X-Signature-Timestamp": ts, "X-Signature-Ed25519": signature})


def ed25519_verify(key, message, signature):
    from nacl.exceptions import BadSignatureError
    try:
        key.verify(message, bytes.fromhex(signature))
    except (BadSignatureError, ValueError) as e:
        raise Refused("PyNaCl refuses the signature") from e
    return True


def qq_verify(config, now, request):
    message = header(request, "X-Signature-Timestamp").encode() + body_of(request)
    return ed25519_verify(qq_key(config).verify_key, message, header(request, "X-Signature-Ed25519"))


def qq_open(config, answer, event_ts, plain_token):
    """The answer to op 13: PyNaCl checks that it signs what was asked."""
    body = json.loads(body_of(answer))
    check(body.get("plain_token") == plain_token, "another plain_token came back")
    return ed25519_verify(qq_key(config).verify_key, (event_ts + plain_token).encode(), body["signature"])


# Discord interactions: PyNaCl signs and verifies. `config.seed` is the far side's secret, `public_key` ours.

def discord_key(config):
    from nacl.signing import SigningKey
    return SigningKey(bytes.fromhex(config["seed"]))


def discord_sign(config, now, body):
    text, ts = dumps(body), str(now // 1000)
    signature = discord_key(config).sign((ts + text).encode()).signature.hex()
    return post("discord", text, JSON | {"User-Agent": "Discord-Interactions/1.0 (+https://discord.com)",
                                         "X-Signature-Timestamp": ts, "X-Signature-Ed25519": signature})


def discord_verify(config, now, request):
    message = header(request, "X-Signature-Timestamp").encode() + body_of(request)
    return ed25519_verify(discord_key(config).verify_key, message, header(request, "X-Signature-Ed25519"))


# Telegram: a shared secret in a header; there is nothing for an SDK to compute.

def telegram_sign(config, now, body):
    return post("telegram", dumps(body), JSON | {"X-Telegram-Bot-Api-Secret-Token": config["secret_token"]})


def telegram_verify(config, now, request):
    return check(hmac.compare_digest(config["secret_token"], header(request, "X-Telegram-Bot-Api-Secret-Token")), "another secret")


# The WeChat family: wechatpy encrypts, signs, verifies and decrypts. `config`: token, encoding_aes_key, and
# the id that ends the plaintext (`app_id` of an Official Account or mini program, `corp_id` of WeCom).

def wechat_crypto(config):
    if "corp_id" in config:
        from wechatpy.work.crypto import WeChatCrypto
        return WeChatCrypto(config["token"], config["encoding_aes_key"], config["corp_id"])
    from wechatpy.crypto import WeChatCrypto
    return WeChatCrypto(config["token"], config["encoding_aes_key"], config["app_id"])


@contextlib.contextmanager
def settled_random(seed):
    """The 16 random bytes of wechatpy come from the text, so that the fixtures come out the same each time."""
    from wechatpy.crypto.base import BasePrpCrypto
    original, source = BasePrpCrypto.get_random_string, random.Random(seed)
    BasePrpCrypto.get_random_string = lambda self: "".join(source.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=16))
    try:
        yield
    finally:
        BasePrpCrypto.get_random_string = original


def wechat_sign(name, form="xml", settled=False):
    def sign(config, now, plain, nonce="1372623149", url=None):
        import xmltodict
        crypto, ts = wechat_crypto(config), str(now // 1000)
        with settled_random(plain) if settled else contextlib.nullcontext():
            sealed = xmltodict.parse(crypto.encrypt_message(plain, nonce, ts))["xml"]
        to = config.get("to") or config.get("corp_id") or "gh_7f083739789a"
        query = {"msg_signature": sealed["MsgSignature"], "timestamp": ts, "nonce": nonce}
        if "app_id" in config:  # these two also carry the plain signature, which does not cover the body
            query = {"signature": wechat_plain_signature(config, ts, nonce), "timestamp": ts, "nonce": nonce,
                     "openid": "oUser1", "encrypt_type": "aes", "msg_signature": sealed["MsgSignature"]}
        if form == "json":
            body, kind = dumps({"ToUserName": to, "Encrypt": sealed["Encrypt"]}), "application/json"
        else:
            agent = f"<AgentID><![CDATA[{config['agent_id']}]]></AgentID>" if "agent_id" in config else ""
            body = f"<xml><ToUserName><![CDATA[{to}]]></ToUserName><Encrypt><![CDATA[{sealed['Encrypt']}]]></Encrypt>{agent}</xml>"
            kind = "text/xml"
        request = post(name, body, {"Content-Type": kind, "User-Agent": "Mozilla/4.0"}, (url or hook(name)) + "?" + urlencode(query))
        wechat_verify(config, now, request)
        return request
    return sign


def wechat_verify(config, now, request):
    from wechatpy.exceptions import WeChatException
    q, text = query_of(request), body_of(request).decode()
    message = json.loads(text) if text.startswith("{") else text
    try:
        return wechat_crypto(config).decrypt_message(message, q["msg_signature"], q["timestamp"], q["nonce"])
    except (WeChatException, KeyError, ValueError) as e:
        raise Refused(f"wechatpy refuses it: {e!r}") from e


def wechat_open(config, answer):
    """An encrypted passive reply: wechatpy verifies, decrypts, and its plaintext is returned."""
    import xmltodict
    sealed = xmltodict.parse(body_of(answer).decode())["xml"]
    from wechatpy.exceptions import WeChatException
    try:
        return wechat_crypto(config).decrypt_message(sealed, sealed["MsgSignature"], sealed["TimeStamp"], sealed["Nonce"])
    except (WeChatException, KeyError, ValueError) as e:
        raise Refused(f"wechatpy refuses it: {e!r}") from e


def wechat_plain_signature(config, ts, nonce):
    from wechatpy.utils import WeChatSigner
    signer = WeChatSigner()
    signer.add_data(config["token"], ts, nonce)
    return signer.signature


def wechat_echo(name, config, now, echostr="4375120948345356249", nonce="1320562132"):
    """The plain GET with which an address is registered; wechatpy checks it."""
    from wechatpy.utils import check_signature
    ts = str(now // 1000)
    signature = wechat_plain_signature(config, ts, nonce)
    check_signature(config["token"], signature, ts, nonce)
    query = {"signature": signature, "echostr": echostr, "timestamp": ts, "nonce": nonce}
    return {"method": "GET", "url": hook(name) + "?" + urlencode(query), "headers": {"User-Agent": "Mozilla/4.0"}}


def wecom_echo(name, config, now, echostr="1616140317555161061", nonce="1320562132", settled=False):
    """WeCom encrypts even the echo; the plaintext is the answer."""
    import xmltodict
    crypto, ts = wechat_crypto(config), str(now // 1000)
    with settled_random(echostr) if settled else contextlib.nullcontext():
        sealed = xmltodict.parse(crypto.encrypt_message(echostr, nonce, ts))["xml"]
    check(crypto.check_signature(sealed["MsgSignature"], ts, nonce, sealed["Encrypt"]) == echostr, "wechatpy reads another echo")
    query = {"msg_signature": sealed["MsgSignature"], "timestamp": ts, "nonce": nonce, "echostr": sealed["Encrypt"]}
    return {"method": "GET", "url": hook(name) + "?" + urlencode(query), "headers": {"User-Agent": "Mozilla/4.0"}}


def platform(sign, verify=None, opened=None, *packages, accept=None):
    return SimpleNamespace(sign=sign, verify=verify, open=opened, accept=accept, made_by=made_by(*packages))


PLATFORMS = {
    "line": platform(line_sign, line_verify, None, "line-bot-sdk", accept=line_accept),
    "feishu": platform(feishu_sign, feishu_verify, None, "lark-oapi", "pycryptodome"),
    "slack": platform(slack_sign, slack_verify, None, "slack_sdk", accept=slack_accept),
    "whatsapp": platform(meta_sign("whatsapp"), meta_verify, None, "pywa"),
    "messenger": platform(meta_sign("messenger"), meta_verify, None, "pywa"),
    "viber": platform(viber_sign, viber_verify, None, "viberbot"),
    "twilio": platform(twilio_sign, twilio_verify, None, "twilio"),
    "dingtalk": platform(dingtalk_sign, None, None, "python"),
    "douyin": platform(douyin_sign, None, None, "python"),
    "webhook": platform(webhook_sign, webhook_verify, None, "python"),
    "qq": platform(qq_sign, qq_verify, qq_open, "PyNaCl"),
    "discord": platform(discord_sign, discord_verify, None, "PyNaCl"),
    "telegram": platform(telegram_sign, telegram_verify, None, "python"),
    "wechat": platform(wechat_sign("wechat"), wechat_verify, wechat_open, "wechatpy"),
    "miniprogram": platform(wechat_sign("miniprogram", "json"), wechat_verify, wechat_open, "wechatpy"),
    "wecom": platform(wechat_sign("wecom"), wechat_verify, wechat_open, "wechatpy"),
    "wxkf": platform(wechat_sign("wxkf"), wechat_verify, wechat_open, "wechatpy"),
}
