"""Fixtures of the channels that are crates: the WeChat family, Discord's interactions, Telegram's webhook.

Requests and events have the shapes of the other fixtures. Three more kinds of line serve the WeChat codec:

    {name, config, seal: {plain, random, timestamp, nonce}, expect: {encrypt, msg_signature}}
        what wechatpy makes of a reply with these 16 random bytes: an encoder must make the same
    {name, config, sync: ANSWER, expect: {events, cursor, more}}
        an answer of 微信客服 `kf/sync_msg`, and the events in it
"""

from book import NOW, SECS, Book, call, changed, dm, text, without
from platforms import dumps, hook, settled_random, telegram_sign, wechat_crypto, wechat_echo, wechat_sign, wecom_echo

KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
WECHAT = "../wechat/fixtures"  # beside the crate that reads them


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
    book = Book("wechat", config, WECHAT)
    me, user = "gh_7f083739789a", "oia2TjjewbmiOUlr6X-1crbLOvLw"
    sign = wechat_sign("wechat", settled=True)

    def arrive(name, expected, **fields):
        plain = xml(ToUserName=me, FromUserName=user, CreateTime=SECS, **fields)
        book.webhook(name, sign(config, NOW, plain), [expected] if expected else [])
        return plain

    def seen(kind, event_id, **more):
        return {"id": event_id, "account": me, "kind": kind, "ts": NOW, "conversation": dm(user), "sender": {"id": user}} | more

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
    window = {"reply_context": {"token": user, "ttl": 60, "uses": 3}}  # three messages within a minute
    event("a new follower", seen("system", at + ":subscribe", system="follow", **window), "subscribe", EventKey="")
    event("a new follower by a QR code", seen("system", at + ":subscribe:qrscene_shop12", system="follow", data={"scene": "shop12"}, **window), "subscribe", EventKey="qrscene_shop12", Ticket="TICKET")
    event("a QR code scanned by a follower", seen("system", at + ":SCAN:shop12", system="scan", data={"scene": "shop12"}, **window), "SCAN", EventKey="shop12", Ticket="TICKET")
    event("a follower leaves", seen("system", at + ":unsubscribe", system="unfollow"), "unsubscribe", EventKey="")
    event("a key of the account's menu", seen("action", at + ":CLICK:V1001_TODAY", action={"value": "V1001_TODAY"}, **window), "CLICK", EventKey="V1001_TODAY")
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
    book = Book("miniprogram", config, WECHAT)
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
    arrive("the chat is opened", seen("system", f"{user}:{SECS}:user_enter_tempsession", system="open", data={"scene": "order-1"},
                                        reply_context={"token": user, "ttl": 60, "uses": 2}),
           MsgType="event", Event="user_enter_tempsession", SessionFrom="order-1")
    book.webhook("the address is tried", wechat_echo("miniprogram", config, NOW), response={"body": "4375120948345356249"})
    refusals(book, both["json"](config, NOW, plain), plain)
    return book


def wecom():
    config = {"token": "QDG6eK", "encoding_aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "corp_id": "wx5823bf96d3bd56c7", "agent_id": "218"}
    book = Book("wecom", config, WECHAT)
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
    arrive("a key of the app's menu", seen("action", at + ":click:REPAIR", action={"value": "REPAIR"}), MsgType="event", Event="click", EventKey="REPAIR")
    arrive("a button of a card", seen("action", at + ":template_card_event:return", action={"value": "return"}, message_id="response_code_1"), MsgType="event",
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
    book = Book("wxkf", config, WECHAT)
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
    book = Book("discord", config, "../discord/fixtures")
    user = {"id": "53908232506183680", "username": "ada", "global_name": "Ada", "discriminator": "0", "avatar": None}
    base = {"id": "786008729715212338", "application_id": "845027738276462632", "token": "interaction-token", "version": 1, "locale": "en-US"}

    def seen(kind, where, **more):
        return {"id": base["id"], "account": base["application_id"], "kind": kind, "conversation": where, "sender": {"id": user["id"], "name": "Ada"},
                "reply_context": {"token": "interaction-token", "ttl": 900}, "ts": 1607469484500} | more
    channel = {"kind": "group", "id": "645027906669510667"}
    there = {"guild_id": "290926798626357999", "channel_id": channel["id"], "channel": {"id": channel["id"], "type": 0}, "member": {"user": user, "roles": [], "permissions": "0"}}
    book.signed("the address is tried", base | {"type": 1}, response={"headers": {"content-type": "application/json"}, "body": '{"type":1}'})
    command = {"id": "771825006014889984", "type": 1, "name": "order", "options": [{"name": "id", "type": 3, "value": "A-1001"}]}
    book.signed("a command in a server", base | there | {"type": 2, "data": command}, [seen("message", channel, message_id=base["id"], parts=[text("/order A-1001")])], response={"body": '{"type":5}'})
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
    config = {"token": "2:tandem-token", "secret_token": "tandem_secret-1", "bot_username": "tandem_bot"}
    book = Book("telegram", config, "../telegram/fixtures")
    user = {"id": 1111111, "is_bot": False, "first_name": "Ada", "last_name": "L", "username": "ada", "language_code": "en"}
    me = {"id": 2, "is_bot": True, "first_name": "T", "username": "tandem_bot"}
    private, group = {"id": 1111111, "type": "private", "first_name": "Ada"}, {"id": -1001234567890, "type": "supergroup", "title": "Shop", "is_forum": True}

    def message(chat=private, **more):
        return {"message_id": 1365, "from": user, "chat": chat, "date": SECS} | more

    def seen(kind="message", where=None, **more):
        where = where or dm("1111111")
        return {"id": "10000", "kind": kind, "ts": NOW, "conversation": where, "sender": {"id": "1111111", "name": "Ada L", "locale": "en"},
                "message_id": f"{where.get('parent', where['id'])}:1365"} | more

    def arrive(name, update, *expected, **expect):
        book.webhook(name, telegram_sign(config, NOW, {"update_id": 10000} | update), list(expected), **expect)
    arrive("a text", {"message": message(text="Where is order A-1001? 🚚")}, seen(parts=[text("Where is order A-1001? 🚚")]))
    arrive("a deep link", {"message": message(text="/start order-A-1001", entities=[{"type": "bot_command", "offset": 0, "length": 6}])}, seen(parts=[text("/start order-A-1001")]))
    photos = [{"file_id": "small", "file_unique_id": "s", "width": 90, "height": 51, "file_size": 1000}, {"file_id": "large", "file_unique_id": "l", "width": 1280, "height": 720, "file_size": 99000}]
    arrive("a picture with words: its largest size", {"message": message(photo=photos, caption="broken")}, seen(parts=[media("image", "large", mime="image/jpeg", size=99000), text("broken")]))
    document = {"file_id": "doc", "file_unique_id": "d", "file_name": "invoice.pdf", "mime_type": "application/pdf", "file_size": 2138}
    arrive("a document", {"message": message(document=document)}, seen(parts=[media("file", "doc", mime="application/pdf", name="invoice.pdf", size=2138)]))
    arrive("a voice message", {"message": message(voice={"file_id": "v", "file_unique_id": "v", "duration": 3, "mime_type": "audio/ogg", "file_size": 8000})}, seen(parts=[media("audio", "v", mime="audio/ogg", size=8000)]))
    song = {"file_id": "a", "file_unique_id": "a", "duration": 3, "mime_type": "audio/mpeg", "file_size": 8000, "title": "Song"}
    arrive("a song", {"message": message(audio=song)}, seen(parts=[media("audio", "a", mime="audio/mpeg", name="Song", size=8000)]))
    film = {"file_id": "f", "file_unique_id": "f", "width": 640, "height": 480, "duration": 3, "mime_type": "video/mp4", "file_size": 8000}
    arrive("a video", {"message": message(video=film, caption="it wobbles")}, seen(parts=[media("video", "f", mime="video/mp4", size=8000), text("it wobbles")]))
    arrive("a moving picture, sent as a document too", {"message": message(animation=film, document={k: film[k] for k in ("file_id", "file_unique_id", "mime_type", "file_size")})},
           seen(parts=[media("video", "f", mime="video/mp4", size=8000)]))
    arrive("a round video", {"message": message(video_note={"file_id": "n", "file_unique_id": "n", "length": 240, "duration": 3})}, seen(parts=[media("video", "n", mime="video/mp4")]))
    sticker = {"file_id": "st", "file_unique_id": "st", "type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False, "emoji": "👍"}
    arrive("a sticker", {"message": message(sticker=sticker)}, seen(parts=[{"type": "unsupported", "native": "sticker 👍"}]))
    arrive("a place", {"message": message(location={"latitude": 51.5, "longitude": -0.12})}, seen(parts=[{"type": "location", "lat": 51.5, "lon": -0.12}]))
    venue = {"location": {"latitude": 51.5, "longitude": -0.12}, "title": "Shop", "address": "1 Strand"}
    arrive("a place with a name", {"message": message(venue=venue, location=venue["location"])}, seen(parts=[{"type": "location", "lat": 51.5, "lon": -0.12, "name": "Shop, 1 Strand"}]))
    arrive("a contact", {"message": message(contact={"phone_number": "+441234567", "first_name": "Bo", "user_id": 5})}, seen(parts=[text("Bo +441234567")]))
    arrive("dice", {"message": message(dice={"emoji": "🎲", "value": 3})}, seen(parts=[{"type": "unsupported", "native": "dice"}]))
    topic = {"kind": "thread", "id": "77", "parent": "-1001234567890"}
    mention = [{"type": "mention", "offset": 0, "length": 11}]
    arrive("a mention in a topic of a group", {"message": message(group, message_thread_id=77, is_topic_message=True, text="@tandem_bot returns?", entities=mention)},
           seen(where=topic, parts=[text("@tandem_bot returns?")], mentions_me=True))
    shop = {"kind": "group", "id": "-1001234567890"}
    command = [{"type": "bot_command", "offset": 0, "length": 17}]
    arrive("a command to the bot by name", {"message": message(group, text="/order@Tandem_bot A-1001", entities=command)}, seen(where=shop, parts=[text("/order A-1001")], mentions_me=True))
    other = [{"type": "bot_command", "offset": 0, "length": 16}]
    arrive("a command to another bot", {"message": message(group, text="/order@other_bot A-1001", entities=other)}, seen(where=shop, parts=[text("/order@other_bot A-1001")]))
    asked = {"message_id": 1300, "chat": group, "from": me, "date": SECS, "text": "Which order?"}
    arrive("an answer to the bot in a group, in a thread that is no topic", {"message": message(group, message_thread_id=1300, text="A-1001", reply_to_message=asked)},
           seen(where=shop, parts=[text("A-1001")], quote="-1001234567890:1300", mentions_me=True))
    begun = {"message_id": 77, "chat": group, "from": user, "date": SECS, "message_thread_id": 77, "is_topic_message": True, "forum_topic_created": {"name": "Returns", "icon_color": 7322096}}
    arrive("a message in a topic answers nothing", {"message": message(group, message_thread_id=77, is_topic_message=True, text="hi", reply_to_message=begun)}, seen(where=topic, parts=[text("hi")]))
    anonymous = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
    arrive("an administrator who writes as the group", {"message": message(group, text="hi") | {"from": anonymous, "sender_chat": group}}, seen(where=shop, sender={"id": "-1001234567890", "name": "Shop"}, parts=[text("hi")]))
    arrive("an answer to a message", {"message": message(text="this one", reply_to_message={"message_id": 1300, "chat": private, "date": SECS, "text": "a"})}, seen(parts=[text("this one")], quote="1111111:1300"))
    arrive("an edit", {"edited_message": message(text="A-1002", edit_date=SECS + 5)}, seen("edit", ts=NOW + 5000, parts=[text("A-1002")]))
    shown = {"reply_markup": {"inline_keyboard": [[{"text": "Send it back", "callback_data": "return"}]]}}
    press = {"id": "4382bfdwdsb323b2d9", "from": user, "chat_instance": "1", "data": "return", "message": message(text="Pick") | {"from": me} | shown}
    pressed = seen("action", action={"value": "return", "label": "Send it back"})
    del pressed["ts"]  # Telegram says no time; it is that of the arrival
    ended = {"body": dumps({"method": "answerCallbackQuery", "callback_query_id": press["id"]})}
    arrive("a button, whose spinner the answer ends", {"callback_query": press}, pressed, response=ended)
    arrive("a button of a message that is gone", {"callback_query": press | {"message": {"message_id": 1365, "chat": private, "date": 0}}}, pressed | {"action": {"value": "return"}}, response=ended)
    thumb = {"chat": private, "message_id": 1365, "user": user, "date": SECS, "old_reaction": [], "new_reaction": [{"type": "emoji", "emoji": "👍"}]}
    arrive("a reaction", {"message_reaction": thumb}, seen("reaction", reaction={"emoji": "👍"}))
    arrive("a reaction taken back", {"message_reaction": thumb | {"old_reaction": thumb["new_reaction"], "new_reaction": []}})
    arrive("a reaction of nobody", {"message_reaction": {k: v for k, v in thumb.items() if k != "user"}})
    bot = {"user": me}
    left = {"chat": private, "from": user, "date": SECS, "old_chat_member": bot | {"status": "member"}, "new_chat_member": bot | {"status": "kicked", "until_date": 0}}

    def told(name, **more):
        event = seen("system", system=name, **more)
        del event["message_id"]
        return event
    arrive("the customer blocks the bot", {"my_chat_member": left}, told("unfollow"))
    arrive("and lets it in again", {"my_chat_member": left | {"old_chat_member": left["new_chat_member"], "new_chat_member": left["old_chat_member"]}}, told("follow"))
    arrive("the bot is put out of a group", {"my_chat_member": left | {"chat": group, "new_chat_member": bot | {"status": "left"}}}, told("leave", where=shop))
    small = {"id": -500, "type": "group", "title": "Shop"}
    arrive("a group becomes a supergroup", {"message": message(small, migrate_to_chat_id=-1001234567890)},
           seen("system", where={"kind": "group", "id": "-500"}, system="migrate", data={"migrate_to_chat_id": -1001234567890}))
    arrive("what the bot itself wrote", {"message": message(text="hi") | {"from": me}})
    arrive("another bot", {"message": message(group, text="hi") | {"from": me | {"id": 3}}})
    channel = {"id": -1009, "type": "channel", "title": "News"}
    arrive("a post of a channel", {"channel_post": {"message_id": 1, "chat": channel, "sender_chat": channel, "date": SECS, "text": "news"}})
    service = {"id": 777000, "is_bot": False, "first_name": "Telegram"}
    arrive("a post that comes into the group of its channel", {"message": message(group, text="news", is_automatic_forward=True) | {"from": service, "sender_chat": channel}})
    arrive("somebody joins a group", {"message": message(group, new_chat_members=[user])})
    arrive("a kind of update that is none of ours", {"poll": {"id": "1"}})
    arrive("a kind of update that nobody knows", {"telepathy": {"id": "1"}}, alert=True)
    arrive("a message of a kind that nobody knows", {"message": message(hologram={"file_id": "h"})}, alert=True)
    arrive("a message without a chat", {"message": {"message_id": 1, "date": SECS, "text": "hi"}}, alert=True)
    good = telegram_sign(config, NOW, {"update_id": 1, "message": message(text="hi")})
    book.webhook("no JSON", good | {"body": "{"}, alert=True)
    book.webhook("no secret", without(good, "X-Telegram-Bot-Api-Secret-Token"), status=401)
    book.webhook("another secret", changed(good, "X-Telegram-Bot-Api-Secret-Token", "tandem_secret-2"), status=401)
    book.webhook("an empty secret", changed(good, "X-Telegram-Bot-Api-Secret-Token", ""), status=401)
    telegram_sends(book, topic)
    return book


def telegram_sends(book, topic):
    api, uuid = "https://api.telegram.org/bot2:tandem-token/", "7f1c8f4e-0000-5000-8000-00000000a001"
    chat, taken = 1111111, {"ok": True, "result": {"message_id": 1400, "date": SECS, "chat": {"id": 1111111, "type": "private"}, "text": "…"}}
    ids = {"status": "sent", "ids": ["1111111:1400"]}

    def send(name, parts, http, expect=ids, **more):
        message = {"uuid": uuid, "conversation": dm("1111111"), "parts": parts} | more
        book.send(name, message, http if isinstance(http, list) else [http], expect)

    def made(method, reply=taken, status=200, **fields):
        return call(api + method, {"chat_id": chat} | fields, reply=reply, status=status)

    def failed(code, description, **parameters):
        return {"ok": False, "error_code": code, "description": description} | ({"parameters": parameters} if parameters else {})
    hello = [text("*Not* _marked_ <up> 你好 😀")]
    send("a text is plain", hello, made("SendMessage", text=hello[0]["text"]))
    choices = [{"label": "Yes", "value": "yes"}, {"label": "No", "value": "no"}, {"label": "Track it on the carrier's site", "url": "https://carrier.example.test/1"}]
    rows = [[{"text": "Yes", "callback_data": "yes"}, {"text": "No", "callback_data": "no"}], [{"text": "Track it on the carrier's site", "url": "https://carrier.example.test/1"}]]
    send("buttons, and a link as one", [text("Well?")], made("SendMessage", text="Well?", reply_markup={"inline_keyboard": rows}), choices=choices, choice_style="buttons")
    reply = {"message_id": 1365, "allow_sending_without_reply": True}
    send("an answer to a message", [text("This one")], made("SendMessage", text="This one", reply_parameters=reply), quote="1111111:1365")
    send("an answer to a message of another chat", [text("This one")], made("SendMessage", text="This one"), quote="5:1365")
    there = {"ok": True, "result": {"message_id": 1400, "date": SECS, "chat": {"id": -1001234567890, "type": "supergroup"}}}
    send("into a topic", [text("Here")], made("SendMessage", there, chat_id=-1001234567890, message_thread_id=77, text="Here"), {"status": "sent", "ids": ["-1001234567890:1400"]}, conversation=topic)
    send("a picture by its address", [media("image", "https://shop.example.test/a.jpg", mime="image/jpeg")], made("SendPhoto", photo="https://shop.example.test/a.jpg"))
    send("a document by its address", [media("file", "https://shop.example.test/a.pdf", mime="application/pdf")], made("SendDocument", document="https://shop.example.test/a.pdf"))
    send("a document that Telegram does not fetch", [media("file", "https://shop.example.test/a.csv", mime="text/csv", name="a.csv")], made("SendMessage", text="a.csv: https://shop.example.test/a.csv"))
    send("a voice message by its address", [media("audio", "https://shop.example.test/a.ogg", mime="audio/ogg")], made("SendVoice", voice="https://shop.example.test/a.ogg"))
    send("a moving picture by its address", [media("image", "https://shop.example.test/a.gif", mime="image/gif")], made("SendAnimation", animation="https://shop.example.test/a.gif"))
    send("a picture that Telegram has", [media("image", "AgACAgIAAx0", mime="image/jpeg")], made("SendPhoto", photo="AgACAgIAAx0"))
    send("typing", [], call(api + "SendChatAction", {"chat_id": chat, "action": "typing"}, reply={"ok": True, "result": True}), {"status": "sent", "ids": []}, op="typing")
    same = {"status": "sent", "ids": ["1111111:1365"]}
    send("an edit", [text("New")], made("EditMessageText", message_id=1365, text="New"), same, op="edit", target="1111111:1365")
    unchanged = failed(400, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message")
    send("an edit that changes nothing", [text("New")], made("EditMessageText", unchanged, 400, message_id=1365, text="New"), same, op="edit", target="1111111:1365")
    send("buttons taken away", [], made("EditMessageReplyMarkup", message_id=1365), same, op="edit", target="1111111:1365")
    send("a deletion", [], made("DeleteMessage", {"ok": True, "result": True}, message_id=1365), same, op="delete", target="1111111:1365")
    send("a deletion of what is gone", [], made("DeleteMessage", failed(400, "Bad Request: message to delete not found"), 400, message_id=1365), same, op="delete", target="1111111:1365")
    hi = [text("hi")]
    send("patience", hi, made("SendMessage", failed(429, "Too Many Requests: retry after 7", retry_after=7), 429, text="hi"), {"error": "retry_after", "seconds": 7})
    send("a customer who blocked the bot", hi, made("SendMessage", failed(403, "Forbidden: bot was blocked by the user"), 403, text="hi"), {"error": "rejected", "code": "blocked"})
    send("a customer who never pressed Start", hi, made("SendMessage", failed(400, "Bad Request: chat not found"), 400, text="hi"), {"error": "rejected", "code": "not_started"})
    send("a refusal of no special kind", hi, made("SendMessage", failed(400, "Bad Request: BUTTON_URL_INVALID"), 400, text="hi"), {"error": "rejected", "code": "400"})
    send("a token that was revoked", hi, made("SendMessage", failed(401, "Unauthorized"), 401, text="hi"), {"error": "unauthorized"})
    send("a token of no form", hi, made("SendMessage", failed(404, "Not Found"), 404, text="hi"), {"error": "unauthorized"})
    send("Telegram broke", hi, made("SendMessage", failed(500, "Internal Server Error"), 500, text="hi"), {"error": "transient"})
    moved = failed(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-1001234567890)
    old = {"kind": "group", "id": "-500"}
    send("a group that has become a supergroup", hi, [made("SendMessage", moved, 400, chat_id=-500, text="hi"), made("SendMessage", there, chat_id=-1001234567890, text="hi")],
         {"status": "sent", "ids": ["-1001234567890:1400"]}, conversation=old)


BOOKS = [wechat, miniprogram, wecom, wxkf, discord, telegram]
