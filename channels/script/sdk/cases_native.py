"""Fixtures of the channels that are crates: the WeChat family, Discord's interactions, Telegram's webhook.

Requests and events have the shapes of the other fixtures. Three more kinds of line serve the WeChat codec:

    {name, config, seal: {plain, random, timestamp, nonce}, expect: {encrypt, msg_signature}}
        what wechatpy makes of a reply with these 16 random bytes: an encoder must make the same
    {name, config, sync: ANSWER, expect: {events, cursor, more}}
        an answer of 微信客服 `kf/sync_msg`, and the events in it
"""

from book import NOW, SECS, Book, changed, dm, text, without
from platforms import dumps, hook, settled_random, telegram_sign, wechat_crypto, wechat_echo, wechat_sign, wecom_echo

KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
PASSIVE = 5  # seconds a passive reply may take


def xml(**fields):
    def one(name, value):
        if isinstance(value, dict):
            return f"<{name}>{''.join(one(k, v) for k, v in value.items())}</{name}>"
        if isinstance(value, (int, float)):
            return f"<{name}>{value}</{name}>"
        return f"<{name}><![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]></{name}>"
    return f"<xml>{''.join(one(k, v) for k, v in fields.items())}</xml>"


def media(kind, ref, **more):
    return {"type": "media", "media": kind, "ref": ref} | more


def seal(book, name, plain, nonce="1372623149"):
    """What wechatpy makes of `plain` when its 16 random bytes are known."""
    import random
    import xmltodict
    letters = "".join(random.Random(plain).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=16))
    with settled_random(plain):
        sealed = xmltodict.parse(wechat_crypto(book.config).encrypt_message(plain, nonce, str(SECS)))["xml"]
    book.lines.append({"name": name, "made_by": book.platform.made_by, "config": book.config,
                       "seal": {"plain": plain, "random": letters, "timestamp": str(SECS), "nonce": nonce},
                       "expect": {"encrypt": sealed["Encrypt"], "msg_signature": sealed["MsgSignature"]}})


def refusals(book, good, plain_body):
    """What every member of the family must not take."""
    url = good["url"]
    book.webhook("a downgrade: the plain body beside a valid plain signature", good | {"body": plain_body, "url": url.split("&msg_signature")[0]}, status=401)
    book.webhook("a plain body where an encrypted one is due", good | {"body": plain_body}, status=401)
    book.webhook("another nonce", good | {"url": url.replace("nonce=1372623149", "nonce=1372623148")}, status=401)
    book.webhook("another time", good | {"url": url.replace(f"timestamp={SECS}", f"timestamp={SECS + 1}")}, status=401)
    other = book.config | {"app_id": "wx0000000000000000"} if "app_id" in book.config else book.config | {"corp_id": "ww0000000000000000"}
    sealed = wechat_sign(book.name, settled=True)(other, NOW, plain_body)
    book.webhook("the same token and key, but the id of another account inside", sealed, status=401)
    book.webhook("no signature", good | {"url": hook(book.name)}, status=401)


def wechat():
    config = {"token": "tandem-token", "encoding_aes_key": KEY, "app_id": "wx2c2769f8efd9abc2"}
    book = Book("wechat", config, "native")
    me, user = "gh_7f083739789a", "oia2TjjewbmiOUlr6X-1crbLOvLw"
    sign = wechat_sign("wechat", settled=True)

    def arrive(name, expected, **fields):
        plain = xml(ToUserName=me, FromUserName=user, CreateTime=SECS, **fields)
        book.webhook(name, sign(config, NOW, plain), [expected] if expected else [])
        return plain

    def seen(kind, event_id, **more):
        return {"id": event_id, "account": me, "kind": kind, "ts": NOW, "conversation": dm(user), "sender": {"id": user},
                "reply_context": {"token": user, "ttl": PASSIVE, "uses": 1}} | more

    def message(parts):
        return seen("message", "6054768590064713728", message_id="6054768590064713728", parts=parts)

    number = {"MsgId": 6054768590064713728}
    plain = arrive("a text", message([text("我的订单 <A-1001> 在哪里？😀")]), MsgType="text", Content="我的订单 <A-1001> 在哪里？😀", **number)
    arrive("a text whose CDATA is closed and opened inside", message([text("a]]>b")]), MsgType="text", Content="a]]>b", **number)
    arrive("an entry of a menu message", seen("action", "6054768590064713728", message_id="6054768590064713728", action={"value": "101", "label": "满意"}),
           MsgType="text", Content="满意", bizmsgmenuid="101", **number)
    arrive("a picture", message([media("image", "media_id_1")]), MsgType="image", PicUrl="http://mmbiz.qpic.cn/1", MediaId="media_id_1", **number)
    arrive("a voice message", message([media("audio", "media_id_2")]), MsgType="voice", MediaId="media_id_2", Format="amr", **number)
    arrive("a voice message with its words", message([media("audio", "media_id_2"), text("腾讯微信团队")]), MsgType="voice", MediaId="media_id_2", Format="Speex", Recognition="腾讯微信团队", **number)
    arrive("a video", message([media("video", "media_id_3")]), MsgType="video", MediaId="media_id_3", ThumbMediaId="thumb", **number)
    arrive("a short video", message([media("video", "media_id_4")]), MsgType="shortvideo", MediaId="media_id_4", ThumbMediaId="thumb", **number)
    arrive("a place", message([{"type": "location", "lat": 23.134521, "lon": 113.358803, "name": "广州"}]), MsgType="location", Location_X=23.134521, Location_Y=113.358803, Scale=20, Label="广州", **number)
    arrive("a link", message([text("公众平台官网链接\nhttps://mp.weixin.qq.com")]), MsgType="link", Title="公众平台官网链接", Description="官网", Url="https://mp.weixin.qq.com", **number)
    arrive("a kind of message we have no word for", message([{"type": "unsupported", "native": "file"}]), MsgType="file", Title="a.pdf", FileKey="k", **number)
    at = f"{user}:{SECS}"

    def event(name, expected, kind, **fields):
        arrive(name, expected, MsgType="event", Event=kind, **fields)
    event("a new follower", seen("system", at + ":subscribe", system="follow"), "subscribe", EventKey="")
    event("a new follower by a QR code", seen("system", at + ":subscribe", system="follow", data={"scene": "shop12"}), "subscribe", EventKey="qrscene_shop12", Ticket="TICKET")
    event("a QR code scanned by a follower", seen("system", at + ":SCAN", system="scan", data={"scene": "shop12"}), "SCAN", EventKey="shop12", Ticket="TICKET")
    gone = seen("system", at + ":unsubscribe", system="unfollow")
    del gone["reply_context"]
    event("a follower leaves", gone, "unsubscribe", EventKey="")
    event("a key of the account's menu", seen("action", at + ":CLICK", action={"value": "V1001_TODAY"}), "CLICK", EventKey="V1001_TODAY")
    event("a link of the account's menu is no talk", None, "VIEW", EventKey="https://www.qq.com", MenuId="1")
    event("where the customer is, by itself, is no talk", None, "LOCATION", Latitude=23.137466, Longitude=113.352425, Precision=119.385040)
    book.webhook("the address is tried, in the open", wechat_echo("wechat", config, NOW), response={"body": "4375120948345356249"})
    book.webhook("the address is tried by a stranger", wechat_echo("wechat", config | {"token": "guessed"}, NOW), status=401)
    refusals(book, sign(config, NOW, plain), plain)
    seal(book, "a passive reply", xml(ToUserName=user, FromUserName=me, CreateTime=SECS, MsgType="text", Content="您的订单已发货 🚚"))
    seal(book, "a reply that fills its last block of 32", "x" * (32 - 20 - len(config["app_id"]) % 32 + 32))
    seal(book, "an empty one", "")
    return book


def miniprogram():
    config = {"token": "tandem-token", "encoding_aes_key": KEY, "app_id": "wx2c2769f8efd9abc2", "to": "gh_mini"}
    book = Book("miniprogram", config, "native")
    user, both = "oMini1", {"json": wechat_sign("miniprogram", "json", settled=True), "xml": wechat_sign("miniprogram", "xml", settled=True)}

    def seen(kind, event_id, **more):
        return {"id": event_id, "account": "gh_mini", "kind": kind, "ts": NOW, "conversation": dm(user), "sender": {"id": user}} | more

    def arrive(name, expected, form="json", **fields):
        plain = {"ToUserName": "gh_mini", "FromUserName": user, "CreateTime": SECS} | fields
        plain = dumps(plain) if form == "json" else xml(**plain)
        book.webhook(name, both[form](config, NOW, plain), [expected])
        return plain

    number = {"MsgId": 6054768590064713728}
    said = seen("message", "6054768590064713728", message_id="6054768590064713728")
    plain = arrive("a text", said | {"parts": [text("还能退吗？")]}, MsgType="text", Content="还能退吗？", **number)
    arrive("a text, in XML", said | {"parts": [text("还能退吗？")]}, "xml", MsgType="text", Content="还能退吗？", **number)
    arrive("a picture", said | {"parts": [media("image", "m1")]}, MsgType="image", PicUrl="http://mmbiz.qpic.cn/1", MediaId="m1", **number)
    arrive("a page of the mini program", said | {"parts": [{"type": "unsupported", "native": "miniprogrampage"}]}, MsgType="miniprogrampage",
           Title="订单", AppId=config["app_id"], PagePath="pages/order?id=1", ThumbUrl="http://t", ThumbMediaId="t", **number)
    arrive("the chat is opened", seen("system", f"{user}:{SECS}:user_enter_tempsession", system="open", data={"scene": "order-1"}),
           MsgType="event", Event="user_enter_tempsession", SessionFrom="order-1")
    book.webhook("the address is tried", wechat_echo("miniprogram", config, NOW), response={"body": "4375120948345356249"})
    refusals(book, both["json"](config, NOW, plain), plain)
    return book


def wecom():
    config = {"token": "QDG6eK", "encoding_aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "corp_id": "wx5823bf96d3bd56c7", "agent_id": "218"}
    book = Book("wecom", config, "native")
    user, sign = "zhangwei", wechat_sign("wecom", settled=True)

    def arrive(name, expected, **fields):
        plain = xml(ToUserName=config["corp_id"], FromUserName=user, CreateTime=SECS, **fields, AgentID=218)
        book.webhook(name, sign(config, NOW, plain), [expected] if expected else [])
        return plain

    def seen(kind, event_id, **more):
        return {"id": event_id, "account": "218", "kind": kind, "ts": NOW, "conversation": dm(user), "sender": {"id": user}} | more

    number = {"MsgId": "4561255354251345929"}
    said = seen("message", number["MsgId"], message_id=number["MsgId"])
    plain = arrive("a text", said | {"parts": [text("打印机坏了")]}, MsgType="text", Content="打印机坏了", **number)
    arrive("a picture", said | {"parts": [media("image", "m1")]}, MsgType="image", PicUrl="http://p", MediaId="m1", **number)
    arrive("a voice message", said | {"parts": [media("audio", "m2")]}, MsgType="voice", MediaId="m2", Format="amr", **number)
    arrive("a video", said | {"parts": [media("video", "m3")]}, MsgType="video", MediaId="m3", ThumbMediaId="t", **number)
    arrive("a place", said | {"parts": [{"type": "location", "lat": 23.134, "lon": 113.358, "name": "广州"}]}, MsgType="location", Location_X=23.134, Location_Y=113.358, Scale=20, Label="广州", **number)
    arrive("a link", said | {"parts": [text("标题\nhttps://x.example.test")]}, MsgType="link", Title="标题", Description="d", Url="https://x.example.test", PicUrl="http://p", **number)
    at = f"{user}:{SECS}"
    arrive("the app is opened", seen("system", at + ":enter_agent", system="open"), MsgType="event", Event="enter_agent", EventKey="")
    arrive("a key of the app's menu", seen("action", at + ":click", action={"value": "REPAIR"}), MsgType="event", Event="click", EventKey="REPAIR")
    arrive("a button of a card", seen("action", at + ":template_card_event", action={"value": "return"}, message_id="response_code_1"), MsgType="event",
           Event="template_card_event", EventKey="return", TaskId="task-1", CardType="button_interaction", ResponseCode="response_code_1")
    arrive("a new member", seen("system", at + ":subscribe", system="follow"), MsgType="event", Event="subscribe", EventKey="")
    book.webhook("the address is tried, encrypted", wecom_echo("wecom", config, NOW, settled=True), response={"body": "1616140317555161061"})
    tried = wecom_echo("wecom", config, NOW, settled=True)
    book.webhook("the address is tried under another signature", tried | {"url": tried["url"].replace("msg_signature=", "msg_signature=0")}, status=401)
    good = sign(config, NOW, plain)
    refusals(book, good, plain)
    seal(book, "a passive reply", xml(ToUserName=user, FromUserName=config["corp_id"], CreateTime=SECS, MsgType="text", Content="已报修"))
    return book


def wxkf():
    config = {"token": "QDG6eK", "encoding_aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "corp_id": "wx5823bf96d3bd56c7"}
    book = Book("wxkf", config, "native")
    sign, kf, user = wechat_sign("wxkf", settled=True), "wkAJ2GCAAASSm4_FhToWMFea0xAFfd3Q", "wmAJ2GCAAAme1XQRC-NI-q0_ZM9ukoAw"
    told = {"ToUserName": config["corp_id"], "CreateTime": SECS, "MsgType": "event", "Event": "kf_msg_or_event", "Token": "ENCApHxnGDNAVNY4AaSJKj4Tb5mwsEMzxhFmHVGcra996NR", "OpenKfId": kf}
    plain = xml(**told)
    good = sign(config, NOW, plain)
    book.webhook("there is something to fetch", good, [], response={"body": "success"})
    book.lines[-1]["expect"]["sync"] = {"token": told["Token"], "open_kfid": kf}
    book.webhook("the address is tried, encrypted", wecom_echo("wxkf", config, NOW, settled=True), response={"body": "1616140317555161061"})
    refusals(book, good, plain)

    def entry(kind, body, **more):
        return {"msgid": "from_msgid_4622416642169452483", "open_kfid": kf, "external_userid": user, "send_time": SECS, "origin": 3, "msgtype": kind, kind: body} | more

    def sync(name, entries, events, more=0):
        book.lines.append({"name": name, "made_by": "the documentation of kf/sync_msg", "config": config,
                           "sync": {"errcode": 0, "errmsg": "ok", "next_cursor": "4gw7MepFLfgF2VC5npN", "has_more": more, "msg_list": entries},
                           "expect": {"events": events, "cursor": "4gw7MepFLfgF2VC5npN", "more": bool(more)}})

    def seen(**more):
        return {"id": "from_msgid_4622416642169452483", "account": kf, "kind": "message", "ts": NOW, "conversation": dm(user), "sender": {"id": user},
                "message_id": "from_msgid_4622416642169452483"} | more
    sync("every message of a page counts, and another page follows",
         [entry("text", {"content": "你好"}, msgid="a"), entry("text", {"content": "我要退货"}, msgid="b"), entry("text", {"content": "订单 A-1001"}, msgid="c")],
         [seen(id=i, message_id=i, parts=[text(t)]) for i, t in [("a", "你好"), ("b", "我要退货"), ("c", "订单 A-1001")]], more=1)
    sync("an entry of a menu message", [entry("text", {"content": "满意", "menu_id": "101"})], [seen(kind="action", action={"value": "101", "label": "满意"})])
    sync("media, a place, a link, and a kind we have no word for",
         [entry("image", {"media_id": "m1"}, msgid="1"), entry("voice", {"media_id": "m2"}, msgid="2"), entry("video", {"media_id": "m3"}, msgid="3"), entry("file", {"media_id": "m4"}, msgid="4"),
          entry("location", {"latitude": 23.106, "longitude": 113.324, "name": "广州国际媒体港", "address": "海珠区"}, msgid="5"),
          entry("link", {"title": "标题", "desc": "d", "url": "https://x.example.test", "pic_url": "http://p"}, msgid="6"),
          entry("miniprogram", {"title": "t", "appid": "wx1", "pagepath": "p", "thumb_media_id": "t"}, msgid="7")],
         [seen(id=i, message_id=i, parts=[p]) for i, p in [("1", media("image", "m1")), ("2", media("audio", "m2")), ("3", media("video", "m3")), ("4", media("file", "m4")),
          ("5", {"type": "location", "lat": 23.106, "lon": 113.324, "name": "广州国际媒体港"}), ("6", text("标题\nhttps://x.example.test")), ("7", {"type": "unsupported", "native": "miniprogram"})]])
    sync("what our own staff said in WeCom, and what the system said, are not the customer's",
         [entry("text", {"content": "您好"}, origin=5, servicer_userid="zhangsan"), entry("text", {"content": "系统"}, origin=4)], [])
    enter = {"event_type": "enter_session", "open_kfid": kf, "external_userid": user, "scene": "order", "scene_param": "A-1001", "welcome_code": "aaaaaa"}
    sync("the chat is opened, with a welcome to be said within 20 seconds",
         [{"msgid": "e1", "send_time": SECS, "origin": 4, "msgtype": "event", "event": enter}],
         [{"id": "e1", "account": kf, "kind": "system", "ts": NOW, "conversation": dm(user), "sender": {"id": user}, "system": "open",
           "data": {"scene": "order", "scene_param": "A-1001"}, "reply_context": {"token": "aaaaaa", "ttl": 20, "uses": 1}}])
    fail = {"event_type": "msg_send_fail", "open_kfid": kf, "external_userid": user, "fail_msgid": "ours-1", "fail_type": 4}
    sync("a message of ours was not delivered: the customer wrote more than 48 hours ago",
         [{"msgid": "e2", "send_time": SECS, "origin": 4, "msgtype": "event", "event": fail}],
         [{"id": "e2", "account": kf, "kind": "receipt", "ts": NOW, "conversation": dm(user),
           "receipt": {"status": "failed", "ids": ["ours-1"], "code": "window"}}])
    return book


def discord():
    from nacl.signing import SigningKey
    seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    config = {"seed": seed, "public_key": bytes(SigningKey(bytes.fromhex(seed)).verify_key).hex()}
    book = Book("discord", config, "native")
    user = {"id": "53908232506183680", "username": "ada", "global_name": "Ada", "discriminator": "0", "avatar": None}
    base = {"id": "786008729715212338", "application_id": "845027738276462632", "token": "interaction-token", "version": 1, "locale": "en-US"}

    def seen(kind, where, **more):
        return {"id": base["id"], "account": base["application_id"], "kind": kind, "conversation": where, "sender": {"id": user["id"], "name": "Ada"},
                "reply_context": {"token": "interaction-token", "ttl": 900}, "ts": 1607469484500} | more
    channel = {"kind": "group", "id": "645027906669510667"}
    there = {"guild_id": "290926798626357999", "channel_id": channel["id"], "channel": {"id": channel["id"], "type": 0}, "member": {"user": user, "roles": [], "permissions": "0"}}
    book.signed("the address is tried", base | {"type": 1}, response={"headers": {"content-type": "application/json"}, "body": '{"type":1}'})
    command = {"id": "771825006014889984", "type": 1, "name": "order", "options": [{"name": "id", "type": 3, "value": "A-1001"}]}
    book.signed("a command in a server", base | there | {"type": 2, "data": command}, [seen("message", channel, parts=[text("/order A-1001")])], response={"body": '{"type":5}'})
    direct = {"channel_id": "1", "channel": {"id": "1", "type": 1}, "user": user}
    press = {"type": 3, "message": {"id": "801", "channel_id": "1"}, "data": {"component_type": 2, "custom_id": "return"}}
    book.signed("a button in a direct message", base | direct | press, [seen("action", dm("1"), message_id="801", action={"value": "return"})], response={"body": '{"type":6}'})
    select = press | {"data": {"component_type": 3, "custom_id": "menu", "values": ["track"]}}
    book.signed("an entry of a menu", base | direct | select, [seen("action", dm("1"), message_id="801", action={"value": "track"})], response={"body": '{"type":6}'})
    thread = there | {"channel": {"id": channel["id"], "type": 11, "parent_id": "2"}}
    book.signed("a button in a thread", base | thread | press, [seen("action", {"kind": "thread", "id": channel["id"], "parent": "2"}, message_id="801", action={"value": "return"})],
                response={"body": '{"type":6}'})
    good = book.sign(base | {"type": 1})
    book.webhook("no signature", without(good, "X-Signature-Ed25519"), status=401)
    book.webhook("no time", without(good, "X-Signature-Timestamp"), status=401)
    book.webhook("a signature too short", changed(good, "X-Signature-Ed25519", "00" * 63), status=401)
    book.webhook("the probe Discord sends while it tries an address", changed(good, "X-Signature-Ed25519", "ab" * 64), status=401)
    return book


def telegram():
    config = {"secret_token": "tandem_secret-1", "bot_username": "tandem_bot"}
    book = Book("telegram", config, "native")
    user = {"id": 1111111, "is_bot": False, "first_name": "Ada", "last_name": "L", "username": "ada", "language_code": "en"}
    private, group = {"id": 1111111, "type": "private", "first_name": "Ada"}, {"id": -1001234567890, "type": "supergroup", "title": "Shop", "is_forum": True}

    def message(chat=private, **more):
        return {"message_id": 1365, "from": user, "chat": chat, "date": SECS} | more

    def seen(kind="message", where=None, **more):
        return {"id": "10000", "kind": kind, "ts": NOW, "conversation": where or dm("1111111"), "sender": {"id": "1111111", "name": "Ada L"}, "message_id": "1365"} | more

    def arrive(name, update, *expected):
        book.webhook(name, telegram_sign(config, NOW, {"update_id": 10000} | update), list(expected))
    arrive("a text", {"message": message(text="Where is order A-1001? 🚚")}, seen(parts=[text("Where is order A-1001? 🚚")]))
    arrive("a deep link", {"message": message(text="/start order-A-1001", entities=[{"type": "bot_command", "offset": 0, "length": 6}])}, seen(parts=[text("/start order-A-1001")]))
    photos = [{"file_id": "small", "file_unique_id": "s", "width": 90, "height": 51, "file_size": 1000}, {"file_id": "large", "file_unique_id": "l", "width": 1280, "height": 720, "file_size": 99000}]
    arrive("a picture with words: its largest size", {"message": message(photo=photos, caption="broken")}, seen(parts=[media("image", "large", mime="image/jpeg", size=99000), text("broken")]))
    document = {"file_id": "doc", "file_unique_id": "d", "file_name": "invoice.pdf", "mime_type": "application/pdf", "file_size": 2138}
    arrive("a document", {"message": message(document=document)}, seen(parts=[media("file", "doc", mime="application/pdf", name="invoice.pdf", size=2138)]))
    arrive("a voice message", {"message": message(voice={"file_id": "v", "file_unique_id": "v", "duration": 3, "mime_type": "audio/ogg", "file_size": 8000})}, seen(parts=[media("audio", "v", mime="audio/ogg", size=8000)]))
    arrive("a place", {"message": message(location={"latitude": 51.5, "longitude": -0.12})}, seen(parts=[{"type": "location", "lat": 51.5, "lon": -0.12}]))
    topic = {"kind": "thread", "id": "77", "parent": "-1001234567890"}
    mention = [{"type": "mention", "offset": 0, "length": 11}]
    arrive("a mention in a topic of a group", {"message": message(group, message_thread_id=77, is_topic_message=True, text="@tandem_bot returns?", entities=mention)},
           seen(where=topic, parts=[text("@tandem_bot returns?")], mentions_me=True))
    arrive("an answer to a message", {"message": message(text="this one", reply_to_message={"message_id": 1300, "chat": private, "date": SECS})}, seen(parts=[text("this one")], quote="1300"))
    arrive("an edit", {"edited_message": message(text="A-1002", edit_date=SECS + 5)}, seen("edit", ts=NOW + 5000, parts=[text("A-1002")]))
    press = {"id": "4382bfdwdsb323b2d9", "from": user, "chat_instance": "1", "data": "return", "message": message(text="Pick")}
    pressed = seen("action", action={"value": "return"}, reply_context={"token": press["id"], "ttl": 15, "uses": 1})
    del pressed["ts"]
    arrive("a button", {"callback_query": press}, pressed)
    left = {"chat": private, "from": user, "date": SECS, "old_chat_member": {"user": {"id": 2, "is_bot": True, "first_name": "T"}, "status": "member"},
            "new_chat_member": {"user": {"id": 2, "is_bot": True, "first_name": "T"}, "status": "kicked", "until_date": 0}}
    gone = seen("system", system="unfollow")
    del gone["message_id"]
    arrive("the customer blocks the bot", {"my_chat_member": left}, gone)
    arrive("a kind of update that is none of ours", {"poll": {"id": "1"}})
    good = telegram_sign(config, NOW, {"update_id": 1, "message": message(text="hi")})
    book.webhook("no secret", without(good, "X-Telegram-Bot-Api-Secret-Token"), status=401)
    book.webhook("another secret", changed(good, "X-Telegram-Bot-Api-Secret-Token", "tandem_secret-2"), status=401)
    return book


BOOKS = [wechat, miniprogram, wecom, wxkf, discord, telegram]
