"""Fixtures of LINE, Feishu/Lark, DingTalk, Douyin and QQ: requests, and what their documentation says they mean."""

from book import NOW, PERSON, SECS, Book, call, changed, dm, text, without
from platforms import dumps, feishu_sign, hook, made_by, qq_sign


def line():
    book = Book("line", {"channel_secret": "8c570fa6dd201bb328f1c1eac23a96d8", "channel_access_token": "line-token"})
    bot, user = "U5f1b0f4b2d6a4f9d8c1e2a3b4c5d6e7f", "Uf7e6d5c4b3a2e1c8d9f4a6d2b4f0b1f5"

    def event(kind, source=None, **more):
        return {"type": kind, "mode": "active", "timestamp": NOW, "source": source or {"type": "user", "userId": user},
                "webhookEventId": "01HC8Z3J5E0W8Y6R4T2M0K9N7P", "deliveryContext": {"isRedelivery": False}} | more

    def seen(kind, **more):
        return {"id": "01HC8Z3J5E0W8Y6R4T2M0K9N7P", "account": bot, "kind": kind, "ts": NOW,
                "conversation": dm(user), "sender": {"id": user}} | more

    def arrive(name, sent, *expected):
        book.signed(name, {"destination": bot, "events": sent}, list(expected))

    token = "nHuyWiB7yP5Zw52FIkcQobQuGDXCTA"
    context = {"token": token, "ttl": 50, "uses": 1}
    message = {"type": "text", "id": "468789577898262530", "quoteToken": "q3Plxr4AgKd", "text": "我的订单 A-1001 在哪里？ 🚚"}
    arrive("a text", [event("message", replyToken=token, message=message)],
           seen("message", message_id=message["id"], parts=[text(message["text"])], reply_context=context))
    picture = {"type": "image", "id": "354718705033693859", "quoteToken": "q3", "contentProvider": {"type": "line"}}
    place = {"type": "location", "id": "1", "title": "本社", "address": "東京都", "latitude": 35.65910807942215, "longitude": 139.70372892916203}
    file = {"type": "file", "id": "2", "fileName": "invoice.pdf", "fileSize": 2138}
    arrive("picture, place, file and sticker in one request",
           [event("message", message=m, webhookEventId=f"E{i}") for i, m in enumerate(
               [picture, place, file, {"type": "sticker", "id": "3", "packageId": "446", "stickerId": "1988", "stickerResourceType": "STATIC"}])],
           seen("message", id="E0", message_id=picture["id"], parts=[{"type": "media", "media": "image", "ref": picture["id"]}]),
           seen("message", id="E1", message_id="1", parts=[{"type": "location", "lat": 35.65910807942215, "lon": 139.70372892916203, "name": "本社", "address": "東京都"}]),
           seen("message", id="E2", message_id="2", parts=[{"type": "media", "media": "file", "ref": "2", "name": "invoice.pdf", "size": 2138}]),
           seen("message", id="E3", message_id="3", parts=[{"type": "unsupported", "native": "sticker"}]))
    group = {"type": "group", "groupId": "Ca56f94637c", "userId": user}
    mention = {"mentionees": [{"index": 0, "length": 7, "type": "user", "userId": bot, "isSelf": True}]}
    arrive("a mention in a group that quotes", [event("message", group, replyToken=token, message={
        "type": "text", "id": "4", "quoteToken": "q", "quotedMessageId": "468789577898262530", "text": "@Tandem 退货", "mention": mention})],
           seen("message", conversation={"kind": "group", "id": "Ca56f94637c"}, message_id="4", quote="468789577898262530",
                parts=[text("@Tandem 退货")], mentions_me=True, reply_context=context))
    arrive("a button", [event("postback", replyToken=token, postback={"data": "order:A-1001"})],
           seen("action", action={"value": "order:A-1001"}, reply_context=context))
    arrive("an edit and an unsend",
           [event("messageEdited", replyToken=token, message=message | {"text": "A-1002"}), event("unsend", webhookEventId="E2", unsend={"messageId": message["id"]})],
           seen("edit", message_id=message["id"], parts=[text("A-1002")], reply_context=context),
           seen("delete", id="E2", message_id=message["id"]))
    arrive("a new friend", [event("follow", replyToken=token, follow={"isUnblocked": False})],
           seen("system", system="follow", reply_context=context))
    arrive("on standby and unknown events are nobody's", [event("message", mode="standby", message=message), event("somethingNew")])
    arrive("the console's connection test", [])
    good = book.sign({"destination": bot, "events": []})
    book.webhook("no signature", without(good, "X-Line-Signature"), status=401)
    book.webhook("a signature by another secret", changed(good, "X-Line-Signature", "3q2+796tvu/erb7v3q2+796tvu/erb7v3q2+796tvu8="), status=401)

    api, auth = "https://api.line.me/v2/bot/", {"authorization": "Bearer line-token"}
    uuid = "7f1c8f4e-0000-5000-8000-00000000a001"
    sent = {"sentMessages": [{"id": "461230966842064897", "quoteToken": "q"}]}
    out = {"uuid": uuid, "conversation": dm(user), "parts": [text("您的订单已发货")]}
    book.send("pushes with a retry key", out, [call(api + "message/push", {"to": user, "messages": [{"type": "text", "text": "您的订单已发货"}]},
              reply=sent, headers=None, idempotent=True)], {"status": "sent", "ids": ["461230966842064897"]})
    book.lines[-1]["http"][0]["request"]["headers"] = auth | {"x-line-retry-key": uuid}
    reply = out | {"reply_context": {"token": token, "use": 1}}
    replied = {"replyToken": token, "messages": [{"type": "text", "text": "您的订单已发货"}]}
    book.send("replies while the token lives", reply, [call(api + "message/reply", replied, reply=sent)], {"status": "sent", "ids": ["461230966842064897"]})
    book.send("pushes when the token is spent", reply, [call(api + "message/reply", replied, 400, {"message": "Invalid reply token"}),
              call(api + "message/push", reply=sent)], {"status": "sent", "ids": ["461230966842064897"]})
    book.send("a retry that LINE has had already", out, [call(api + "message/push", status=409, reply={"message": "The retry key is already accepted"} | sent)],
              {"status": "sent", "ids": ["461230966842064897"]})
    choices = [{"label": "退货", "value": "return"}, {"label": "官网", "url": "https://shop.example.test"}]
    actions = [{"type": "postback", "label": "退货", "data": "return", "displayText": "退货"}, {"type": "uri", "label": "官网", "uri": "https://shop.example.test"}]
    book.send("buttons", out | {"choices": choices, "choice_style": "buttons"}, [call(api + "message/push", {"to": user, "messages": [
        {"type": "template", "altText": "您的订单已发货", "template": {"type": "buttons", "text": "您的订单已发货", "actions": actions}}]}, reply=sent)],
              {"status": "sent", "ids": ["461230966842064897"]})
    image = {"type": "media", "media": "image", "ref": "file:1", "mime": "image/png", "url": "https://m.example.test/1.png", "preview_url": "https://m.example.test/1s.png"}
    book.send("a picture with quick replies", out | {"parts": [text("看这里"), image], "choices": choices, "choice_style": "quick_replies"},
              [call(api + "message/push", {"to": user, "messages": [{"type": "text", "text": "看这里"}, {
                  "type": "image", "originalContentUrl": image["url"], "previewImageUrl": image["preview_url"],
                  "quickReply": {"items": [{"type": "action", "action": a} for a in actions]}}]}, reply=sent)],
              {"status": "sent", "ids": ["461230966842064897"]})
    book.send("typing", {"op": "typing", "conversation": dm(user)}, [call(api + "chat/loading/start", {"chatId": user, "loadingSeconds": 20}, 202, {})], {"status": "sent", "ids": []})
    for name, status, answer, expect in [
        ("a revoked token", 401, {"message": "Authentication failed"}, {"error": "unauthorized"}),
        ("too many at once", 429, {"message": "The API rate limit has been exceeded. Try again later."}, {"error": "retry_after", "seconds": 5}),
        ("the month's messages are used up", 429, {"message": "You have reached your monthly limit."}, {"error": "rejected", "code": "quota"}),
        ("LINE is down", 500, {"message": "Internal Server Error"}, {"error": "transient"}),
        ("a message LINE does not take", 400, {"message": "The request body has 1 error(s)"}, {"error": "rejected", "code": "400"}),
    ]:
        book.send(name, out, [call(api + "message/push", status=status, reply=answer)], expect)
    book.send("a reply without an answer", reply, [{"request": {"url": api + "message/reply"}, "reply": {"fail": "timeout"}}], {"error": "uncertain"})
    book.call("the content of a picture", "fetch_media", [], {"url": "https://api-data.line.me/v2/bot/message/354718705033693859/content", "headers": auth},
              part={"type": "media", "media": "image", "ref": picture["id"]})
    return book


def feishu():
    config = {"app_id": "cli_a1b2c3", "app_secret": "feishu-app-secret", "encrypt_key": "kudryavka", "verification_token": "v0eQu1tMw1xsV4cL"}
    book = Book("feishu", config)
    user, chat, mid = "ou_84aad35d084aa403a838cf73ee18467", "oc_5ce6d572455d361153b7xx51da133945", "om_5ce6d572455d361153b7cb51da133945"
    answer = {"headers": {"content-type": "application/json"}, "body": "{}"}

    def body(kind, event, event_id="5e3702a84e847582be8db7fb73283c02", at=str(NOW)):
        return {"schema": "2.0", "header": {"event_id": event_id, "event_type": kind, "create_time": at, "token": config["verification_token"],
                                            "app_id": config["app_id"], "tenant_key": "2ca1d211f64f6438"}, "event": event}

    def message(kind, content, chat_type="p2p", **more):
        return body("im.message.receive_v1", {
            "sender": {"sender_id": {"union_id": "on_8ed6", "user_id": "e33ggbyz", "open_id": user}, "sender_type": "user", "tenant_key": "2ca1d211f64f6438"},
            "message": {"message_id": mid, "create_time": str(NOW), "update_time": str(NOW), "chat_id": chat, "chat_type": chat_type,
                        "message_type": kind, "content": dumps(content)} | more})

    def seen(parts, **more):
        return {"id": mid, "kind": "message", "ts": str(NOW), "conversation": dm(chat), "sender": {"id": user}, "message_id": mid, "parts": parts} | more

    def arrive(name, sent, *expected, **how):
        book.webhook(name, feishu_sign(config, NOW, sent, **how), list(expected), response=answer)

    arrive("a text, encrypted", message("text", {"text": "你好，我要退货 😀"}), seen([text("你好，我要退货 😀")]))
    arrive("a text, signed but not encrypted", message("text", {"text": "hello"}), seen([text("hello")]), encrypted=False)
    bot = {"key": "@_user_1", "id": {"open_id": "ou_bot"}, "mentioned_type": "bot", "name": "Tandem", "tenant_key": "2ca1d211f64f6438"}
    other = {"key": "@_user_12", "id": {"open_id": "ou_li"}, "mentioned_type": "user", "name": "100%李雷", "tenant_key": "2ca1d211f64f6438"}
    arrive("a mention in a group", message("text", {"text": "@_user_1 问问 @_user_12"}, "group", mentions=[bot, other], parent_id="om_parent", root_id="om_parent"),
           seen([text("问问 @100%李雷")], conversation={"kind": "group", "id": chat}, quote="om_parent", mentions_me=True))
    arrive("a mention and nothing else", message("text", {"text": "@_user_1"}, "group", mentions=[bot]),
           seen([text("@Tandem")], conversation={"kind": "group", "id": chat}, mentions_me=True))
    arrive("a topic in a group", message("text", {"text": "进度？"}, "group", thread_id="omt_1"),
           seen([text("进度？")], conversation={"kind": "thread", "id": "omt_1", "parent": chat}))
    rich = {"title": "问题", "content": [[{"tag": "text", "text": "屏幕碎了 "}, {"tag": "a", "text": "说明", "href": "https://x.example.test"}], [{"tag": "img", "image_key": "img_7ea7"}]]}
    arrive("a post with a picture", message("post", rich),
           seen([text("问题\n屏幕碎了 说明"), {"type": "media", "media": "image", "ref": f"{mid}/img_7ea7/image"}]))
    arrive("a picture", message("image", {"image_key": "img_v2_9"}), seen([{"type": "media", "media": "image", "ref": f"{mid}/img_v2_9/image"}]))
    arrive("a file", message("file", {"file_key": "file_v2_1", "file_name": "发票.pdf"}),
           seen([{"type": "media", "media": "file", "ref": f"{mid}/file_v2_1/file", "name": "发票.pdf"}]))
    arrive("a place", message("location", {"name": "上海", "longitude": "121.47", "latitude": "31.23"}),
           seen([{"type": "location", "lat": 31.23, "lon": 121.47, "name": "上海"}]))
    arrive("a kind of message we have no word for", message("share_chat", {"chat_id": chat}), seen([{"type": "unsupported", "native": "share_chat"}]))
    own = message("text", {"text": "我们说的"})
    own["event"]["sender"]["sender_type"] = "app"
    arrive("our own words are not the customer's", own)
    press = {"operator": {"tenant_key": "2ca1", "user_id": "e33ggbyz", "open_id": user, "union_id": "on_8ed6"}, "token": "c-295e",
             "action": {"value": {"value": "return"}, "tag": "button"}, "host": "im_message",
             "context": {"open_message_id": mid, "open_chat_id": chat}}
    arrive("a press on a card, its time in microseconds", body("card.action.trigger", press, "f7984f25108f8137722bb63cee927e66", f"{NOW}000"),
           {"id": "f7984f25108f8137722bb63cee927e66", "kind": "action", "ts": str(NOW), "conversation": {"id": chat}, "sender": {"id": user},
            "message_id": mid, "action": {"value": "return"}})
    arrive("a recall", body("im.message.recalled_v1", {"message_id": mid, "chat_id": chat, "recall_time": str(NOW), "recall_type": "message_owner"}),
           {"id": "5e3702a84e847582be8db7fb73283c02", "kind": "delete", "ts": str(NOW), "conversation": {"id": chat}, "message_id": mid})
    arrive("the chat is opened", body("im.chat.access_event.bot_p2p_chat_entered_v1", {
        "chat_id": chat, "operator_id": {"open_id": user, "union_id": "on_8ed6", "user_id": "e33ggbyz"}, "last_message_id": mid, "last_message_create_time": str(NOW)}),
           {"id": "5e3702a84e847582be8db7fb73283c02", "kind": "system", "ts": str(NOW), "conversation": dm(chat), "sender": {"id": user}, "system": "open"})
    arrive("an event nobody asked for", body("im.message.message_read_v1", {"reader": {"reader_id": {"open_id": user}, "read_time": str(NOW)}, "message_id_list": [mid]}))
    challenge = {"challenge": "ajls384kdjx98XX", "token": config["verification_token"], "type": "url_verification"}
    told = {"headers": {"content-type": "application/json"}, "body": dumps({"challenge": "ajls384kdjx98XX"})}
    book.webhook("the address is tried, encrypted and unsigned", feishu_sign(config, NOW, challenge, signed=False), response=told)
    book.webhook("the address is tried in the open", feishu_sign(config, NOW, challenge, encrypted=False, signed=False), response=told)
    stranger = {"method": "POST", "url": hook("feishu"), "headers": {"Content-Type": "application/json"}, "body": dumps(challenge | {"token": "guessed"})}
    book.webhook("a stranger tries the address", stranger, status=403)
    good = feishu_sign(config, NOW, message("text", {"text": "hello"}))
    book.webhook("no signature", without(good, "X-Lark-Signature"), status=401)
    book.webhook("a nonce moved into the time", changed(changed(good, "X-Lark-Request-Nonce", ""), "X-Lark-Request-Timestamp", str(SECS)), status=401)
    plain = {"method": "POST", "url": hook("feishu"), "headers": {"Content-Type": "application/json"}, "body": dumps(message("text", {"text": "forged"}))}
    book.webhook("neither encrypted nor signed", plain, status=401)

    api, auth, uuid = "https://open.feishu.cn/open-apis/", {"authorization": "Bearer t-1"}, "7f1c8f4e-0000-5000-8000-00000000a002"
    out = {"uuid": uuid, "conversation": dm(chat), "parts": [text("订单 <A> 已发货")]}
    sent, ok = {"code": 0, "msg": "success", "data": {"message_id": "om_sent"}}, {"status": "sent", "ids": ["om_sent"]}

    def create(kind, content, reply=sent, status=200, headers=None):
        return call(api + "im/v1/messages?receive_id_type=chat_id", {"receive_id": chat, "msg_type": kind, "content": dumps(content), "uuid": uuid}, status, reply, headers,
                    idempotent=True)

    def send(name, message, http, expect):
        book.send(name, message, http, expect, token="t-1")

    send("a text, its brackets escaped", out, [create("text", {"text": "订单 &lt;A&gt; 已发货"})], ok)
    card = {"config": {"wide_screen_mode": True}, "elements": [{"tag": "div", "text": {"content": "选一个", "tag": "plain_text"}}, {"actions": [
        {"tag": "button", "text": {"content": "退货", "tag": "plain_text"}, "type": "default", "value": {"value": "return"}},
        {"tag": "button", "text": {"content": "官网", "tag": "plain_text"}, "type": "default", "url": "https://shop.example.test"}],
        "layout": "flow", "tag": "action"}]}
    send("a card with buttons", out | {"parts": [text("选一个")], "choice_style": "buttons", "choices": [
        {"label": "退货", "value": "return"}, {"label": "官网", "url": "https://shop.example.test"}]}, [create("interactive", card)], ok)
    image = {"type": "media", "media": "image", "ref": "file:1", "mime": "image/png", "name": "a.png", "url": "https://m.example.test/1.png"}
    send("a picture is handed over first", out | {"parts": [image]}, [
        call(api + "im/v1/images", reply={"code": 0, "data": {"image_key": "img_9"}}, idempotent=True), create("image", {"image_key": "img_9"})], ok)
    send("a topic is answered in the topic", out | {"conversation": {"kind": "thread", "id": "omt_1", "parent": chat}, "parts": [text("好")], "last_inbound_id": mid},
         [call(api + f"im/v1/messages/{mid}/reply", {"msg_type": "text", "content": dumps({"text": "好"}), "uuid": uuid, "reply_in_thread": True}, reply=sent)], ok)
    send("an edit", out | {"op": "edit", "target": "om_sent", "parts": [text("改")]},
         [call(api + "im/v1/messages/om_sent", {"msg_type": "text", "content": dumps({"text": "改"})}, reply=sent, method="PUT")], ok)
    send("a recall of ours", out | {"op": "delete", "target": "om_sent", "parts": []},
         [call(api + "im/v1/messages/om_sent", reply={"code": 0, "msg": "success", "data": {}}, method="DELETE")], {"status": "sent", "ids": []})
    for name, status, reply, headers, expect in [
        ("the token has run out", 400, {"code": 99991663, "msg": "Invalid access token"}, None, {"error": "unauthorized"}),
        ("too many at once", 400, {"code": 99991400, "msg": "request trigger frequency limit"}, {"x-ogw-ratelimit-reset": "3"}, {"error": "retry_after", "seconds": 3}),
        ("too many into one chat", 400, {"code": 230020, "msg": "rate limit"}, None, {"error": "retry_after", "seconds": 2}),
        ("the bot was put out of the chat", 400, {"code": 230002, "msg": "The bot can not be outside the group."}, None, {"error": "rejected", "code": "230002"}),
        ("Feishu is down", 503, None, None, {"error": "transient"}),
    ]:
        send(name, out | {"parts": [text("好")]}, [create("text", {"text": "好"}, reply, status, headers)], expect)
    credentials = {"app_id": config["app_id"], "app_secret": config["app_secret"]}
    book.call("a token", "acquire_token", [call(api + "auth/v3/tenant_access_token/internal", credentials, reply={
        "code": 0, "msg": "ok", "tenant_access_token": "t-g1", "expire": 7200})], {"value": "t-g1", "expires_in": 7200})
    book.call("a wrong app secret", "acquire_token", [call(api + "auth/v3/tenant_access_token/internal", credentials, reply={
        "code": 10014, "msg": "app secret invalid"})], {"error": "unauthorized"})
    book.call("the bytes of a picture", "fetch_media", [], {"url": api + f"im/v1/messages/{mid}/resources/img_v2_9?type=image", "headers": auth},
              part={"type": "media", "media": "image", "ref": f"{mid}/img_v2_9/image"}, token="t-1")
    return book


def dingtalk():
    config = {"client_id": "dingabc", "client_secret": "this is a dingtalk secret", "robot_code": "dingabc"}
    book = Book("dingtalk", config)
    session = "https://oapi.dingtalk.com/robot/sendBySession?session=3f2a"
    context = {"token": session, "expires_at": NOW + 5_400_000}

    def message(kind, where="1", **more):
        return {"conversationId": "cidG8Yg==", "chatbotCorpId": "ding9f5", "chatbotUserId": "$:LWCP_v1:$bot", "msgId": "msg0xEHvFBVxHvw==",
                "senderNick": PERSON, "isAdmin": True, "senderStaffId": "manager1", "sessionWebhookExpiredTime": NOW + 5_400_000, "createAt": NOW,
                "senderCorpId": "ding9f5", "conversationType": where, "senderId": "$:LWCP_v1:$user", "sessionWebhook": session,
                "robotCode": "dingabc", "msgtype": kind} | more

    def seen(parts, **more):
        return {"id": "msg0xEHvFBVxHvw==", "kind": "message", "ts": NOW, "message_id": "msg0xEHvFBVxHvw==", "parts": parts,
                "conversation": dm("manager1"), "sender": {"id": "manager1", "name": PERSON}, "reply_context": context} | more

    book.signed("a text to the robot", message("text", text={"content": "退货怎么办"}), [seen([text("退货怎么办")])])
    book.signed("a mention in a group", message("text", "2", text={"content": " 退货 "}, isInAtList=True, conversationTitle="客服群", atUsers=[{"dingtalkId": "$:LWCP_v1:$bot"}]),
                [seen([text("退货")], conversation={"kind": "group", "id": "cidG8Yg=="}, mentions_me=True)])
    outside = message("text", text={"content": "hi"})
    del outside["senderStaffId"]
    book.signed("somebody from outside has no staff id", outside, [seen([text("hi")], conversation=dm("$:LWCP_v1:$user"), sender={"id": "$:LWCP_v1:$user", "name": PERSON})])
    book.signed("a picture", message("picture", content={"downloadCode": "mIofN681YE3f"}), [seen([{"type": "media", "media": "image", "ref": "mIofN681YE3f"}])])
    book.signed("a voice message comes with its words", message("audio", content={"downloadCode": "mA", "recognition": "我要退货", "duration": 4000}),
                [seen([{"type": "media", "media": "audio", "ref": "mA"}, text("我要退货")])])
    book.signed("a file", message("file", content={"downloadCode": "mF", "fileName": "发票.pdf", "spaceId": "1", "fileId": "2"}),
                [seen([{"type": "media", "media": "file", "ref": "mF", "name": "发票.pdf"}])])
    book.signed("words and pictures", message("richText", content={"richText": [{"text": "看这个"}, {"downloadCode": "mP", "type": "picture", "pictureDownloadCode": "p"}]}),
                [seen([text("看这个"), {"type": "media", "media": "image", "ref": "mP"}])])
    book.signed("a kind of message we have no word for", message("chatRecord", content={}), [seen([{"type": "unsupported", "native": "chatRecord"}])])
    lured = message("text", text={"content": "hi"}, sessionWebhook="https://oapi.dingtalk.com.evil.example/robot/sendBySession?session=1")
    lured_seen = seen([text("hi")])
    del lured_seen["reply_context"]
    book.signed("an answer address elsewhere is not used", lured, [lured_seen])
    good = book.sign(message("text", text={"content": "hi"}))
    book.webhook("no signature", without(good, "sign"), status=401)
    book.webhook("two hours old", book.sign(message("text", text={"content": "hi"}), ts=str(NOW - 7_200_000)), status=401)

    api, auth = "https://api.dingtalk.com/v1.0/", {"x-acs-dingtalk-access-token": "t-1"}
    out = {"conversation": dm("manager1"), "parts": [text("已发货")]}
    live = out | {"reply_context": {"token": session, "use": 1}}
    fine = {"errcode": 0, "errmsg": "ok"}
    book.send("answers at the session's address", live, [call(session, {"msgtype": "text", "text": {"content": "已发货"}}, reply=fine)], {"status": "sent", "ids": []}, "t-1")
    book.send("later by the robot's own interface", out, [call(api + "robot/oToMessages/batchSend", {
        "robotCode": "dingabc", "msgKey": "sampleText", "msgParam": dumps({"content": "已发货"}), "userIds": ["manager1"]},
        reply={"processQueryKey": "pq1", "invalidStaffIdList": [], "flowControlledStaffIdList": []})], {"status": "sent", "ids": ["pq1"]}, "t-1")
    book.lines[-1]["http"][0]["request"]["headers"] = auth
    book.send("to a group", out | {"conversation": {"kind": "group", "id": "cidG8Yg=="}}, [call(api + "robot/groupMessages/send", {
        "robotCode": "dingabc", "msgKey": "sampleText", "msgParam": dumps({"content": "已发货"}), "openConversationId": "cidG8Yg=="},
        reply={"processQueryKey": "pq2"})], {"status": "sent", "ids": ["pq2"]}, "t-1")
    markdown = {"title": "选一个", "text": "选一个\n\n- [退货](dtmd://dingtalkclient/sendMessage?content=%E9%80%80%E8%B4%A7)\n- [官网](https://shop.example.test)"}
    choices = {"parts": [text("选一个")], "choices": [{"label": "退货", "value": "return"}, {"label": "官网", "url": "https://shop.example.test"}], "choice_style": "buttons"}
    book.send("choices are links that speak", live | choices, [call(session, {"msgtype": "markdown", "markdown": markdown}, reply=fine)], {"status": "sent", "ids": []}, "t-1")
    image = {"type": "media", "media": "image", "ref": "file:1", "mime": "image/png", "url": "https://m.example.test/1.png"}
    book.send("a picture", out | {"parts": [image]}, [call(api + "robot/oToMessages/batchSend", {
        "robotCode": "dingabc", "msgKey": "sampleImageMsg", "msgParam": dumps({"photoURL": image["url"]}), "userIds": ["manager1"]},
        reply={"processQueryKey": "pq3"})], {"status": "sent", "ids": ["pq3"]}, "t-1")
    book.send("more than twenty a minute", live, [call(session, reply={"errcode": 130101, "errmsg": "send too fast, exceed 20 times per minute"})], {"error": "retry_after", "seconds": 600}, "t-1")
    for name, status, reply, expect in [
        ("the token has run out", 400, {"code": "InvalidAuthentication", "message": "不合法的access_token"}, {"error": "unauthorized"}),
        ("throttled", 403, {"code": "Forbidden.AccessDenied.QpsLimitForApi", "message": "qps"}, {"error": "retry_after", "seconds": 10}),
        ("no such person", 200, {"processQueryKey": "", "invalidStaffIdList": ["manager1"]}, {"error": "rejected", "code": "invalid_user"}),
        ("a wrong robot", 400, {"code": "robot 不存在", "message": "robot"}, {"error": "rejected", "code": "robot 不存在"}),
        ("a 5xx after the bytes left", 500, None, {"error": "uncertain"}),
    ]:
        book.send(name, out, [call(api + "robot/oToMessages/batchSend", status=status, reply=reply)], expect, "t-1")
    book.call("a token", "acquire_token", [call(api + "oauth2/accessToken", {"appKey": "dingabc", "appSecret": config["client_secret"]},
              reply={"accessToken": "fw8ef8we8f76e6f7s8dxxxx", "expireIn": 7200})], {"value": "fw8ef8we8f76e6f7s8dxxxx", "expires_in": 7200})
    book.call("the address of a picture", "fetch_media", [call(api + "robot/messageFiles/download", {"downloadCode": "mIofN681YE3f", "robotCode": "dingabc"},
              reply={"downloadUrl": "https://down.dingtalk.com/1"})], {"url": "https://down.dingtalk.com/1"},
              part={"type": "media", "media": "image", "ref": "mIofN681YE3f"}, token="t-1")
    return book


def douyin():
    config = {"client_key": "awx1", "client_secret": "douyin-client-secret", "open_id": "shop-open-id", "refresh_token": "rft.1"}
    book = Book("douyin", config)
    person, short, mid = "ac6479a5-d7a6-4018-84be-c29bfc00000", "@c29bfc000+MNggFhRkwGuX1ntuc0Q==", "@c29bfc000+MNggFhRkwGuX1ntuc0R=="

    def event(name, content, sender=person, to="shop-open-id", encode=False):
        return {"event": name, "client_key": "awx1", "from_user_id": sender, "to_user_id": to, "log_id": "2023429834752345783",
                "content": dumps(content) if encode else content}

    def message(kind, **more):
        return {"conversation_short_id": short, "server_message_id": mid, "conversation_type": 1, "create_time": NOW, "source": "", "message_type": kind,
                "user_infos": [{"open_id": person, "nick_name": PERSON, "avatar": "https://p.example.test/a.png"}]} | more

    def seen(parts, **more):
        return {"id": mid, "kind": "message", "ts": NOW, "message_id": mid, "parts": parts, "conversation": dm(person),
                "sender": {"id": person, "name": PERSON}, "reply_context": {"token": f"{mid} {short}", "ttl": 86400, "uses": 6}} | more

    book.signed("a text", event("im_receive_msg", message("text", text="还有货吗？")), [seen([text("还有货吗？")])])
    book.signed("a text whose content is a text of JSON", event("im_receive_msg", message("text", text="在吗"), encode=True), [seen([text("在吗")])])
    book.signed("a picture is shown in Douyin only", event("im_receive_msg", message("image")), [seen([{"type": "unsupported", "native": "image"}])])
    opened = {"conversation_short_id": short, "server_message_id": mid, "conversation_type": 1, "create_time": NOW, "scene_type": 1}
    book.signed("the chat is opened", event("im_enter_direct_msg", opened, encode=True), [
        {"id": f"{mid}:{NOW}", "kind": "system", "ts": NOW, "system": "open", "conversation": dm(person), "sender": {"id": person}}])
    book.signed("our own words are not the customer's", event("im_send_msg", message("text", text="有的"), "shop-open-id", person))
    book.signed("an authorisation is nobody's talk", event("authorize", {"scopes": ["im.direct_message"]}, person, ""))
    book.signed("the address is tried", {"event": "verify_webhook", "client_key": "awx1", "content": {"challenge": 12345}},
                response={"headers": {"content-type": "application/json"}, "body": dumps({"challenge": 12345})})
    good = book.sign(event("im_receive_msg", message("text", text="还有货吗？")))
    book.webhook("no signature", without(good, "X-Douyin-Signature"), status=401)
    book.webhook("a length extension: secret‖body continued under a hash made without the secret", extended(config, good), status=401)

    api = "https://open.douyin.com/im/send/msg/"
    out = {"conversation": dm(person), "parts": [text("有货")], "reply_context": {"token": f"{mid} {short}", "use": 1}}
    wanted = {"msg_id": mid, "conversation_id": short, "to_user_id": person, "scene": "im_reply_msg", "content": {"msg_type": 1, "text": {"text": "有货"}}}
    book.send("an answer", out, [call(api, wanted, reply={"data": {"error_code": 0, "description": "", "msg_id": "@sent"}, "extra": {"error_code": 0}},
              query={"open_id": "shop-open-id"})], {"status": "sent", "ids": ["@sent"]}, "act.1")
    book.lines[-1]["http"][0]["request"]["headers"] = {"access-token": "act.1"}
    book.send("nobody wrote within a day", {k: v for k, v in out.items() if k != "reply_context"}, [], {"error": "rejected", "code": "window"}, "act.1")
    for name, status, code, expect in [
        ("the token has run out", 200, 28001008, {"error": "unauthorized"}), ("Douyin is busy", 200, 28001005, {"error": "transient"}),
        ("too fast", 200, 28001052, {"error": "retry_after", "seconds": 60}), ("a wrong parameter", 200, 28001007, {"error": "rejected", "code": "28001007"}),
        ("a 5xx after the bytes left", 502, None, {"error": "uncertain"}),
    ]:
        reply = {"data": {"error_code": 0, "description": ""}, "extra": {"error_code": code, "description": "x"}} if code else None
        book.send(name, out, [call(api, status=status, reply=reply)], expect, "act.1")
    tokens = "https://open.douyin.com/oauth/"
    fields = {"client_key": "awx1", "grant_type": "refresh_token", "refresh_token": "rft.1"}
    fresh = {"data": {"access_token": "act.2", "expires_in": 1296000, "refresh_token": "rft.1", "refresh_expires_in": 2000000, "error_code": 0}}
    book.call("a token", "acquire_token", [call(tokens + "refresh_token/", form=fields, reply=fresh)], {"value": "act.2", "expires_in": 1296000})
    old = {"data": fresh["data"] | {"refresh_expires_in": 800000}}
    book.call("the right to refresh is renewed in time", "acquire_token", [
        call(tokens + "refresh_token/", form=fields, reply=old),
        call(tokens + "renew_refresh_token/", form=fields, reply={"data": {"refresh_token": "rft.2", "expires_in": 2592000, "error_code": 0}})],
              {"value": "act.2", "expires_in": 1296000})
    book.call("the consent was withdrawn", "acquire_token", [call(tokens + "refresh_token/", form=fields, reply={"data": {"error_code": 10008, "description": "expired"}})],
              {"error": "unauthorized"})
    return book


def extended(config, good):
    """What somebody can sign who has seen one request and does not know the secret, only its length."""
    import base64
    import struct
    seen = good["body"].encode()
    size = len(config["client_secret"]) + len(seen)
    padding = b"\x80" + b"\0" * ((55 - size) % 64) + struct.pack(">Q", size * 8)
    more = b' {"event":"im_receive_msg"}'
    digest = sha1_from(good["headers"]["X-Douyin-Signature"], size + len(padding), more)
    return {"method": "POST", "url": good["url"], "headers": good["headers"] | {"X-Douyin-Signature": digest},
            "body_base64": base64.b64encode(seen + padding + more).decode()}


def sha1_from(state, length, data):
    """SHA-1 continued from a published digest."""
    import struct
    h = list(struct.unpack(">5I", bytes.fromhex(state)))
    total = length + len(data)
    data += b"\x80" + b"\0" * ((55 - total) % 64) + struct.pack(">Q", total * 8)
    turn = lambda v, n: ((v << n) | (v >> (32 - n))) & 0xFFFFFFFF
    for at in range(0, len(data), 64):
        w = list(struct.unpack(">16I", data[at:at + 64]))
        for i in range(16, 80):
            w.append(turn(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1))
        a, b, c, d, e = h
        for i in range(80):
            f, k = [((b & c) | (~b & d), 0x5A827999), (b ^ c ^ d, 0x6ED9EBA1), ((b & c) | (b & d) | (c & d), 0x8F1BBCDC), (b ^ c ^ d, 0xCA62C1D6)][i // 20]
            a, b, c, d, e = (turn(a, 5) + (f & 0xFFFFFFFF) + e + k + w[i]) & 0xFFFFFFFF, a, turn(b, 30), c, d
        h = [(x + y) & 0xFFFFFFFF for x, y in zip(h, (a, b, c, d, e))]
    return struct.pack(">5I", *h).hex()


def qq():
    config = {"app_id": "11111111", "app_secret": "DG5g3B4j9X2KOErG"}
    book = Book("qq", config)
    ack = {"headers": {"content-type": "application/json"}, "body": dumps({"d": 0, "op": 12})}
    at = "2025-10-09T16:53:20+08:00"
    user, group, mid = "E4F4AEA33253A2797FB897C50B81D7ED", "C9F778FE6ADF9D1D1DBE395BF744A33A", "ROBOT1.0_.b6nx.CVryAO0nR58RXuU6SC"

    def event(kind, d, event_id=None):
        return {"id": event_id or f"{kind}:{mid}", "op": 0, "s": 42, "t": kind, "d": d}

    def seen(kind, native, where, person, token, ttl, **more):
        return {"id": f"{native}:{mid}", "kind": kind, "ts": NOW, "conversation": where, "sender": {"id": person},
                "reply_context": {"token": token, "ttl": ttl, "uses": 5}} | more

    c2c = {"id": mid, "author": {"id": user, "user_openid": user, "union_openid": user}, "content": "我的订单 🚚", "timestamp": at}
    book.signed("a text to the bot", event("C2C_MESSAGE_CREATE", c2c), [seen("message", "C2C_MESSAGE_CREATE", dm("user:" + user), user,
                f"message {mid}", 3600, message_id=mid, parts=[text("我的订单 🚚")])], response=ack)
    files = [{"content_type": "image/jpeg", "filename": "A.jpg", "height": 1, "width": 1, "size": 2048, "url": "https://multimedia.nt.qq.com.cn/download?a=1"},
             {"content_type": "voice", "filename": "B.amr", "size": 99, "url": "multimedia.nt.qq.com.cn/b"},
             {"content_type": "file", "filename": "C.pdf", "size": 7, "url": "https://multimedia.nt.qq.com.cn/c"}]
    book.signed("files", event("C2C_MESSAGE_CREATE", c2c | {"content": " ", "attachments": files}), [seen(
        "message", "C2C_MESSAGE_CREATE", dm("user:" + user), user, f"message {mid}", 3600, message_id=mid, parts=[
            {"type": "media", "media": "image", "name": "A.jpg", "size": 2048, "mime": "image/jpeg", "ref": files[0]["url"]},
            {"type": "media", "media": "audio", "name": "B.amr", "size": 99, "ref": "https://multimedia.nt.qq.com.cn/b"},
            {"type": "media", "media": "file", "name": "C.pdf", "size": 7, "ref": files[2]["url"]}])], response=ack)
    in_group = {"id": mid, "author": {"id": user, "member_openid": user}, "content": " /订单 A-1001", "group_id": group, "group_openid": group, "timestamp": at}
    book.signed("a mention in a group", event("GROUP_AT_MESSAGE_CREATE", in_group), [seen("message", "GROUP_AT_MESSAGE_CREATE",
                {"kind": "group", "id": "group:" + group}, user, f"message {mid}", 300, message_id=mid, parts=[text("订单 A-1001")], mentions_me=True)], response=ack)
    book.signed("a mention and nothing else", event("GROUP_AT_MESSAGE_CREATE", in_group | {"content": " "}), [seen("message", "GROUP_AT_MESSAGE_CREATE",
                {"kind": "group", "id": "group:" + group}, user, f"message {mid}", 300, message_id=mid, parts=[text("@")], mentions_me=True)], response=ack)
    channel = {"id": mid, "author": {"id": "14312", "username": PERSON, "bot": False}, "channel_id": "633", "guild_id": "18700000000001",
               "content": "<@!8901> 你好", "timestamp": at}
    book.signed("a mention in a channel", event("AT_MESSAGE_CREATE", channel), [seen("message", "AT_MESSAGE_CREATE", {"kind": "group", "id": "channel:633"}, "14312",
                f"message {mid}", 300, sender={"id": "14312", "name": PERSON}, message_id=mid, parts=[text("你好")], mentions_me=True)], response=ack)
    book.signed("a private message of a guild", event("DIRECT_MESSAGE_CREATE", channel | {"src_guild_id": "187", "content": "你好"}), [seen(
        "message", "DIRECT_MESSAGE_CREATE", dm("dms:18700000000001"), "14312", f"message {mid}", 300, sender={"id": "14312", "name": PERSON},
        message_id=mid, parts=[text("你好")])], response=ack)
    press = {"id": "e924431f-aaed-4e78-81a0-f4f0d9c7c3b2", "type": 11, "chat_type": 2, "timestamp": at, "user_openid": user, "version": 1,
             "data": {"type": 11, "resolved": {"button_id": "1", "button_data": "return"}}}
    book.signed("a button", event("INTERACTION_CREATE", press), [seen("action", "INTERACTION_CREATE", dm("user:" + user), user,
                f"press INTERACTION_CREATE:{mid} {press['id']}", 3600, action={"value": "return"})], response=ack)
    book.signed("a new friend", event("FRIEND_ADD", {"openid": user, "timestamp": SECS}), [seen("system", "FRIEND_ADD", dm("user:" + user), user,
                f"event FRIEND_ADD:{mid}", 3600, system="follow")], response=ack)
    book.signed("the platform's documented sample event means nothing to us", {"op": 0, "id": "x", "d": {}, "t": "GATEWAY_EVENT_NAME"}, response=ack)
    told = dumps({"plain_token": "Arq0D5A61EgUu4OxUvOp", "signature": (
        "87befc99c42c651b3aac0278e71ada338433ae26fcb24307bdc5ad38c1adc2d01bcfcadc0842edac85e85205028a1132afe09280305f13aa6909ffc2d652c706")})
    book.webhook("the address is tried: token and signature of the platform's documentation",
                 qq_sign(config, NOW, {"d": {"plain_token": "Arq0D5A61EgUu4OxUvOp", "event_ts": "1725442341"}, "op": 13}),
                 response={"headers": {"content-type": "application/json"}, "body": told}, made_by=made_by("PyNaCl") + "; vector of bot.q.qq.com")
    for name, ts, plain in [("an event to be signed as a token", "1725442341", '{"op":0,"d":{}}'), ("an event to be signed as a time", '1725442341{"op":0,"t":"', 'x"}')]:
        book.webhook(name, qq_sign(config, NOW, {"d": {"plain_token": plain, "event_ts": ts}, "op": 13}), alert=True)
    good = book.sign(event("C2C_MESSAGE_CREATE", c2c))
    book.webhook("no signature", without(good, "X-Signature-Ed25519"), status=401)
    book.webhook("a signature that is no hex", changed(good, "X-Signature-Ed25519", "zz"), status=401)
    book.webhook("op 13 without a signature", without(qq_sign(config, NOW, {"d": {"plain_token": "a", "event_ts": "1"}, "op": 13}), "X-Signature-Ed25519"), status=401)

    base, auth = "https://api.bot.qq.com/v2/users/" + user, {"authorization": "QQBot t-1"}
    out = {"conversation": dm("user:" + user), "parts": [text("已发货")], "reply_context": {"token": f"message {mid}", "use": 2}}
    sent, ok = {"id": "ROBOT1.0_sent", "timestamp": at}, {"status": "sent", "ids": ["ROBOT1.0_sent"]}
    plain = {"msg_type": 0, "content": "已发货", "msg_id": mid, "msg_seq": 2}

    def send(name, message, http, expect):
        book.send(name, message, http, expect, "t-1")

    send("an answer", out, [call(base + "/messages", plain, reply=sent)], ok)
    book.lines[-1]["http"][0]["request"]["headers"] = auth
    send("into a group, after it was joined", out | {"conversation": {"kind": "group", "id": "group:" + group}, "reply_context": {"token": "event GROUP_ADD_ROBOT:1", "use": 1}},
         [call(f"https://api.bot.qq.com/v2/groups/{group}/messages", {"msg_type": 0, "content": "已发货", "event_id": "GROUP_ADD_ROBOT:1", "msg_seq": 1}, reply=sent)], ok)
    keys = {"content": {"rows": [{"buttons": [{"id": "1", "render_data": {"label": "退货", "visited_label": "退货", "style": 1},
            "action": {"type": 1, "data": "return", "permission": {"type": 2}, "unsupport_tips": "退货"}}]}]}}
    choices = out | {"parts": [text("选一个")], "choices": [{"label": "退货", "value": "return"}], "choice_style": "buttons"}
    marked = {"msg_type": 2, "markdown": {"content": "选一个"}, "keyboard": keys, "msg_id": mid, "msg_seq": 2}
    send("buttons", choices, [call(base + "/messages", marked, reply=sent)], ok)
    send("numbers where the bot may not use buttons", choices, [call(base + "/messages", marked, 400, {"code": 304036, "message": "not allowed markdown"}),
         call(base + "/messages", {"msg_type": 0, "content": "选一个\n1. 退货", "msg_id": mid, "msg_seq": 2}, reply=sent)], ok)
    image = {"type": "media", "media": "image", "ref": "file:1", "mime": "image/png", "url": "https://m.example.test/1.png"}
    send("a picture is handed over first", out | {"parts": [image]}, [
        call(base + "/files", {"file_type": 1, "url": image["url"], "srv_send_msg": False}, reply={"file_uuid": "u", "file_info": "fi", "ttl": 0}, idempotent=True),
        call(base + "/messages", {"msg_type": 7, "content": " ", "media": {"file_info": "fi"}, "msg_id": mid, "msg_seq": 2}, reply=sent)], ok)
    send("a pressed button is let go before it is answered", out | {"reply_context": {"token": f"press INTERACTION_CREATE:{mid} {press['id']}", "use": 1}}, [
        call(f"https://api.bot.qq.com/interactions/{press['id']}", {"code": 0}, 204, method="PUT", idempotent=True),
        call(base + "/messages", {"msg_type": 0, "content": "已发货", "event_id": f"INTERACTION_CREATE:{mid}", "msg_seq": 1}, reply=sent)], ok)
    send("a recall", {"op": "delete", "target": "ROBOT1.0_sent", "conversation": dm("user:" + user)},
         [call(base + "/messages/ROBOT1.0_sent", status=204, method="DELETE")], ok)
    send("nothing to answer", {"conversation": dm("user:" + user), "parts": [text("在吗")]}, [], {"error": "rejected", "code": "window"})
    for name, status, reply, expect in [
        ("the token has run out", 401, {"code": 11243, "message": "token expired"}, {"error": "unauthorized"}),
        ("too many at once", 429, {"code": 100001, "message": "limit"}, {"error": "retry_after", "seconds": 5}),
        ("the answers to this message are used up", 400, {"code": 22009, "message": "msg limit exceed"}, {"error": "rejected", "code": "window"}),
        ("this answer was taken before", 400, {"code": 40054005, "message": "消息被去重"}, {"status": "sent", "ids": []}),
        ("a 5xx after the bytes left", 500, {"code": 1, "message": "x"}, {"error": "uncertain"}),
    ]:
        send(name, out, [call(base + "/messages", plain, status, reply)], expect)
    book.call("a token", "acquire_token", [call("https://api.bot.qq.com/app/getAppAccessToken", {"appId": "11111111", "clientSecret": config["app_secret"]},
              reply={"access_token": "t-1", "expires_in": "7200"})], {"value": "t-1", "expires_in": 7200})
    book.call("wrong credentials come with status 200", "acquire_token", [call("https://api.bot.qq.com/app/getAppAccessToken",
              reply={"code": 100016, "message": "invalid appid or secret"})], {"error": "unauthorized"})
    return book


BOOKS = [line, feishu, dingtalk, douyin, qq]
