"""Fixtures of Slack, WhatsApp, Messenger/Instagram, Viber, Twilio and the generic webhook."""

from book import NOW, SECS, Book, call, changed, dm, text, without
from platforms import dumps, hook, hub, slack_sign, twilio_sign, webhook_sign

CHOICES = [{"label": "Return", "value": "return"}, {"label": "Where is it?", "value": "track"}]
LINK = {"label": "Shop", "url": "https://shop.example.test"}
IMAGE = {"type": "media", "media": "image", "ref": "file:1", "mime": "image/png", "name": "a.png", "size": 2048,
         "url": "https://m.example.test/1.png", "preview_url": "https://m.example.test/1s.png"}
FILE = IMAGE | {"media": "file", "mime": "application/pdf", "name": "invoice.pdf", "url": "https://m.example.test/1.pdf"}


def slack():
    config = {"signing_secret": "8f742231b10e8888abcd99yyyzzz85a5", "bot_token": "xoxb-1"}
    book = Book("slack", config)
    at = f"{SECS}.000100"

    def event(inner, event_id="Ev08MFMKH6"):
        return {"token": "ZZZZZZWSxiZZZ2yIvs3peJ", "team_id": "T061EG9R6", "api_app_id": "A0MDYCDME", "event": inner, "type": "event_callback",
                "event_id": event_id, "event_time": SECS, "is_ext_shared_channel": False,
                "authorizations": [{"enterprise_id": None, "team_id": "T061EG9R6", "user_id": "U061F7AUR", "is_bot": True}]}

    def message(kind="message", **more):
        return {"type": kind, "channel": "D024BE91L", "user": "U2147483697", "text": "Hello", "ts": at, "event_ts": at, "channel_type": "im"} | more

    def seen(parts, **more):
        return {"id": f"D024BE91L:{at}", "kind": "message", "ts": NOW, "conversation": dm("D024BE91L"), "sender": {"id": "U2147483697"},
                "message_id": at, "parts": parts} | more

    book.signed("a direct message", event(message(text="Where is order A-1001? 🚚")), [seen([text("Where is order A-1001? 🚚")])])
    said = "<@U061F7AUR> &lt;b&gt; &amp;amp; see <https://x.example.test|the page>, <mailto:a@x.test|a@x.test>, <#C1|general>, <@U9>, <!here>"
    plain = "<b> &amp; see the page (https://x.example.test), a@x.test, #general, @U9, @here"
    place = {"channel": "C061EG9SL", "channel_type": "channel", "text": said}
    there = {"id": f"C061EG9SL:{at}", "conversation": {"kind": "group", "id": "C061EG9SL"}, "mentions_me": True}
    book.signed("a mention, told as a message", event(message(**place)), [seen([text(plain)], **there)])
    mention = message("app_mention", **place)
    del mention["channel_type"]
    book.signed("the same mention, told as a mention: another event id, one message", event(mention, "Ev08MFMKH7"), [seen([text(plain)], **there)])
    book.signed("a thread", event(message(channel="C061EG9SL", channel_type="channel", thread_ts=f"{SECS - 60}.000200")), [seen(
        [text("Hello")], id=f"C061EG9SL:{at}", conversation={"kind": "thread", "id": f"{SECS - 60}.000200", "parent": "C061EG9SL"})])
    files = [{"id": "F1", "name": "a.png", "mimetype": "image/png", "size": 2048, "url_private": "https://files.slack.com/files-pri/T061EG9R6-F1/a.png"},
             {"id": "F2", "mode": "tombstone"}]
    book.signed("a file, and one already deleted", event(message(subtype="file_share", text="", files=files)), [seen([
        {"type": "media", "media": "image", "ref": files[0]["url_private"], "mime": "image/png", "name": "a.png", "size": 2048},
        {"type": "unsupported", "native": "file"}])])
    later = f"{SECS}.000900"
    edit = {"type": "message", "subtype": "message_changed", "channel": "D024BE91L", "channel_type": "im", "ts": later, "event_ts": later,
            "message": {"type": "message", "user": "U2147483697", "text": "Hello there", "ts": at, "edited": {"user": "U2147483697", "ts": later}},
            "previous_message": {"type": "message", "user": "U2147483697", "text": "Hello", "ts": at}}
    book.signed("an edit", event(edit), [seen([text("Hello there")], id="Ev08MFMKH6", kind="edit")])
    unfurled = edit | {"message": {k: v for k, v in edit["message"].items() if k != "edited"}}
    book.signed("a link that was unfurled is no edit", event(unfurled))
    gone = {"type": "message", "subtype": "message_deleted", "channel": "D024BE91L", "channel_type": "im", "ts": later, "event_ts": later,
            "deleted_ts": at, "previous_message": {"type": "message", "user": "U2147483697", "text": "Hello", "ts": at}}
    deleted = seen([], id="Ev08MFMKH6", kind="delete")
    del deleted["parts"]
    book.signed("a deletion", event(gone), [deleted])
    book.signed("our own words come back", event(message(bot_id="B0MDYCDME", app_id="A0MDYCDME", user="U061F7AUR")))
    book.signed("another bot is not answered", event(message(subtype="bot_message", bot_id="B2")))
    book.signed("somebody joined", event(message(subtype="channel_join")))
    reaction = {"type": "reaction_added", "user": "U2147483697", "reaction": "thumbsup", "item_user": "U061F7AUR", "event_ts": at,
                "item": {"type": "message", "channel": "D024BE91L", "ts": f"{SECS - 9}.000300"}}
    book.signed("a reaction", event(reaction), [{"id": "Ev08MFMKH6", "kind": "reaction", "ts": NOW, "conversation": dm("D024BE91L"),
                "sender": {"id": "U2147483697"}, "reaction": {"emoji": "thumbsup", "message_id": f"{SECS - 9}.000300"}}])
    book.signed("a mention and nothing else", event(message(text="<@U061F7AUR>")), [seen([text("@U061F7AUR")], mentions_me=True)])
    press = {"type": "block_actions", "api_app_id": "A0MDYCDME", "trigger_id": "12466734323.1395872398", "response_url": "https://hooks.slack.com/actions/1",
             "user": {"id": "U2147483697", "username": "ada", "name": "ada"}, "team": {"id": "T061EG9R6"}, "channel": {"id": "D024BE91L", "name": "directmessage"},
             "container": {"type": "message", "message_ts": at, "channel_id": "D024BE91L"}, "message": {"type": "message", "ts": at, "text": "Pick"}}
    button = {"type": "button", "action_id": "choice1", "block_id": "b1", "text": {"type": "plain_text", "text": "Return"}, "value": "return", "action_ts": f"{SECS}.000400"}
    pressed = {"id": f"{SECS}.000400:U2147483697:choice1", "kind": "action", "ts": NOW, "conversation": dm("D024BE91L"),
               "sender": {"id": "U2147483697", "name": "ada"}, "message_id": at, "action": {"value": "return", "label": "Return"}}
    book.webhook("a button", slack_sign(config, NOW, form={"payload": dumps(press | {"actions": [button]})}), [pressed])
    option = {"text": {"type": "plain_text", "text": "Return"}, "value": "return"}
    menu = {"type": "static_select", "action_id": "choice", "block_id": "b1", "selected_option": option, "action_ts": f"{SECS}.000400"}
    book.webhook("an entry of a menu", slack_sign(config, NOW, form={"payload": dumps(press | {"actions": [menu]})}),
                 [pressed | {"id": f"{SECS}.000400:U2147483697:choice"}])
    link = {k: v for k, v in button.items() if k != "value"} | {"url": LINK["url"]}
    book.webhook("a link was opened", slack_sign(config, NOW, form={"payload": dumps(press | {"actions": [link]})}))
    book.webhook("the address is tried", slack_sign(config, NOW, {"token": "Jhj5dZrVaK7ZwHHjRyZWjbDl", "challenge": "3eZbrw1aB10kRc", "type": "url_verification"}),
                 response={"headers": {"content-type": "text/plain"}, "body": "3eZbrw1aB10kRc"})
    good = book.sign(event(message()))
    book.webhook("six minutes old", slack_sign(config, NOW, event(message()), ts=str(SECS - 360)), status=401)
    book.webhook("no time", without(good, "X-Slack-Request-Timestamp"), status=401)
    book.webhook("no signature", without(good, "X-Slack-Signature"), status=401)

    api, auth = "https://slack.com/api/", {"authorization": "Bearer xoxb-1"}
    out = {"conversation": dm("D024BE91L"), "parts": [text("Shipped & on <its> way")]}
    escaped = "Shipped &amp; on &lt;its&gt; way"
    sent, ok = {"ok": True, "channel": "D024BE91L", "ts": f"{SECS}.000500"}, {"status": "sent", "ids": [f"{SECS}.000500"]}
    book.send("a text, escaped", out, [call(api + "chat.postMessage", {"channel": "D024BE91L", "text": escaped}, reply=sent)], ok)
    book.lines[-1]["http"][0]["request"]["headers"] = auth
    book.send("into a thread", out | {"conversation": {"kind": "thread", "id": "1.2", "parent": "C061EG9SL"}},
              [call(api + "chat.postMessage", {"channel": "C061EG9SL", "thread_ts": "1.2", "text": escaped}, reply=sent)], ok)

    def label(t):
        return {"type": "plain_text", "text": t}

    def section(t):
        return {"type": "section", "text": label(t)}
    buttons = [{"type": "button", "action_id": "choice1", "text": label("Return"), "value": "return"},
               {"type": "button", "action_id": "choice2", "text": label("Shop"), "url": LINK["url"]}]
    pick = out | {"parts": [text("Pick")]}
    book.send("buttons", pick | {"choices": [CHOICES[0], LINK], "choice_style": "buttons"}, [call(api + "chat.postMessage", {
        "channel": "D024BE91L", "text": "Pick", "blocks": [section("Pick"), {"type": "actions", "elements": buttons}]}, reply=sent)], ok)
    options = [{"text": label(c["label"]), "value": c["value"]} for c in CHOICES]
    select = {"type": "static_select", "action_id": "choice", "placeholder": label("…"), "options": options}
    book.send("a menu", pick | {"choices": CHOICES, "choice_style": "list"}, [call(api + "chat.postMessage", {
        "channel": "D024BE91L", "text": "Pick", "blocks": [section("Pick"), {"type": "actions", "elements": [select]}]}, reply=sent)], ok)
    book.send("a picture", out | {"parts": [IMAGE]}, [call(api + "chat.postMessage", {"channel": "D024BE91L", "text": "a.png", "blocks": [
        {"type": "image", "image_url": IMAGE["url"], "alt_text": "a.png"}]}, reply=sent)], ok)
    book.send("an edit takes the buttons away", pick | {"op": "edit", "target": "1.5"},
              [call(api + "chat.update", {"channel": "D024BE91L", "ts": "1.5", "text": "Pick", "blocks": []}, reply=sent)], ok)
    book.send("a deletion of ours", {"op": "delete", "target": "1.5", "conversation": dm("D024BE91L")},
              [call(api + "chat.delete", {"channel": "D024BE91L", "ts": "1.5"}, reply=sent)], ok)
    for name, status, headers, reply, expect in [
        ("too many at once", 429, {"retry-after": "30"}, {"ok": False, "error": "ratelimited"}, {"error": "retry_after", "seconds": 30}),
        ("a revoked token", 200, None, {"ok": False, "error": "token_revoked"}, {"error": "unauthorized"}),
        ("Slack cannot say whether it took it", 200, None, {"ok": False, "error": "internal_error"}, {"error": "uncertain"}),
        ("the bot is not in the channel", 200, None, {"ok": False, "error": "not_in_channel"}, {"error": "rejected", "code": "not_in_channel"}),
        ("a 5xx after the bytes left", 502, None, None, {"error": "uncertain"}),
    ]:
        book.send(name, pick, [call(api + "chat.postMessage", status=status, reply=reply, headers=headers)], expect)
    book.call("a file wants the token", "fetch_media", [], {"url": files[0]["url_private"], "headers": auth},
              part={"type": "media", "media": "image", "ref": files[0]["url_private"]})
    return book


def whatsapp():
    config = {"app_secret": "meta-app-secret", "access_token": "EAAG", "verify_token": "our-verify-token", "phone_number_id": "106540352242922"}
    book = Book("whatsapp", config)
    number, me, wamid = "16505551234", config["phone_number_id"], "wamid.HBgLMTY1MDU1NTEyMzQVAgASGBQzQTdCNTg5RjY1MEMyRjlGMjRGNgA="
    contact = {"profile": {"name": "Ada"}, "wa_id": number, "user_id": "US.13491208655302741918"}

    def change(**value):
        return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [{"field": "messages", "value": {
            "messaging_product": "whatsapp", "metadata": {"display_phone_number": "15550783881", "phone_number_id": me}} | value}]}]}

    def message(kind, body, **more):
        return change(contacts=[contact], messages=[{"from": number, "from_user_id": contact["user_id"], "id": wamid, "timestamp": str(SECS), "type": kind, kind: body} | more])

    def seen(kind="message", **more):
        return {"id": wamid, "account": me, "kind": kind, "ts": str(NOW), "message_id": wamid, "conversation": dm(number),
                "sender": {"id": number, "name": "Ada"}} | more

    book.signed("a text", message("text", {"body": "Where is order A-1001? 🚚"}), [seen(parts=[text("Where is order A-1001? 🚚")])])
    book.signed("a text that quotes", message("text", {"body": "this one"}, context={"from": "15550783881", "id": "wamid.ours"}),
                [seen(parts=[text("this one")], quote="wamid.ours")])
    media = {"mime_type": "image/jpeg", "sha256": "zzz", "id": "1479537139650973"}
    book.signed("a picture with words", message("image", media | {"caption": "broken"}),
                [seen(parts=[{"type": "media", "media": "image", "ref": media["id"], "mime": "image/jpeg"}, text("broken")])])
    book.signed("a voice message", message("audio", media | {"mime_type": "audio/ogg; codecs=opus", "voice": True}),
                [seen(parts=[{"type": "media", "media": "audio", "ref": media["id"], "mime": "audio/ogg"}])])
    book.signed("a document", message("document", media | {"mime_type": "application/pdf", "filename": "invoice.pdf"}),
                [seen(parts=[{"type": "media", "media": "file", "ref": media["id"], "mime": "application/pdf", "name": "invoice.pdf"}])])
    book.signed("a place", message("location", {"latitude": 37.44, "longitude": -122.16, "name": "HQ", "address": "1 Way"}),
                [seen(parts=[{"type": "location", "lat": 37.44, "lon": -122.16, "name": "HQ", "address": "1 Way"}])])
    book.signed("a kind of message we have no word for", message("order", {"catalog_id": "1"}), [seen(parts=[{"type": "unsupported", "native": "order"}])])
    context = {"from": "15550783881", "id": "wamid.menu"}
    book.signed("a button", message("interactive", {"type": "button_reply", "button_reply": {"id": "return", "title": "Return"}}, context=context),
                [seen("action", action={"value": "return", "label": "Return"}, quote="wamid.menu")])
    book.signed("an entry of a list", message("interactive", {"type": "list_reply", "list_reply": {"id": "track", "title": "Where is it?", "description": ""}}, context=context),
                [seen("action", action={"value": "track", "label": "Where is it?"}, quote="wamid.menu")])
    book.signed("a button of a template", message("button", {"payload": "yes", "text": "Yes"}, context=context),
                [seen("action", action={"value": "yes", "label": "Yes"}, quote="wamid.menu")])
    def reacted(event_id, emoji):
        event = seen("reaction", id=event_id, reaction={"emoji": emoji, "message_id": "wamid.ours"})
        del event["message_id"]
        return event
    book.signed("a reaction, and its withdrawal", change(contacts=[contact], messages=[
        {"from": number, "id": wamid + e, "timestamp": str(SECS), "type": "reaction", "reaction": {"message_id": "wamid.ours"} | body}
        for e, body in [("1", {"emoji": "👍"}), ("2", {})]]), [
            reacted(wamid + "1", "👍"), reacted(wamid + "2", "")])
    hidden = change(contacts=[{"profile": {"name": "Ada", "username": "ada"}, "user_id": contact["user_id"]}],
                    messages=[{"from_user_id": contact["user_id"], "id": wamid, "timestamp": str(SECS), "type": "text", "text": {"body": "hi"}}])
    book.signed("a person whose number stays hidden", hidden, [seen(parts=[text("hi")], conversation=dm(contact["user_id"]), sender={"id": contact["user_id"], "name": "Ada"})])

    def status(kind, **more):
        return {"id": wamid, "status": kind, "timestamp": str(SECS), "recipient_id": number} | more

    def receipt(native, status, **more):
        return {"id": f"{wamid}:{native}", "account": me, "kind": "receipt", "ts": str(NOW), "conversation": dm(number),
                "receipt": {"status": status, "ids": [wamid]} | more}
    book.signed("four fates of one message", change(statuses=[status(s) for s in ("sent", "delivered", "read", "played")]),
                [receipt("sent", "sent"), receipt("delivered", "delivered"), receipt("read", "read"), receipt("played", "read")])
    late = {"code": 131047, "title": "Re-engagement message", "message": "Re-engagement message", "error_data": {"details": "24 hours"}}
    book.signed("a failure: too late", change(statuses=[status("failed", errors=[late])]),
                [receipt("failed", "failed", code="window", message="Re-engagement message")])
    book.signed("a failure: no such person", change(statuses=[status("failed", errors=[{"code": 131026, "title": "Message undeliverable"}])]),
                [receipt("failed", "failed", code="131026", message="Message undeliverable")])
    book.signed("a field nobody asked for", {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "message_template_status_update", "value": {"event": "APPROVED"}}]}]})
    book.signed("another product's webhook", {"object": "permissions", "entry": []}, alert=True)
    told = {"headers": {"content-type": "text/plain"}, "body": "1158201444"}
    book.webhook("the address is tried", hub("whatsapp", config), response=told)
    book.webhook("a stranger tries the address", hub("whatsapp", config, token="guessed"), status=403)
    good = book.sign(message("text", {"body": "hi"}))
    book.webhook("no signature", without(good, "X-Hub-Signature-256"), status=401)
    book.webhook("a signature without its name", changed(good, "X-Hub-Signature-256", good["headers"]["X-Hub-Signature-256"][7:]), status=401)

    url, auth = f"https://graph.facebook.com/v25.0/{me}/messages", {"authorization": "Bearer EAAG"}
    out = {"conversation": dm(number), "parts": [text("It is on its way")]}
    sent, ok = {"messaging_product": "whatsapp", "contacts": [{"input": number, "wa_id": number}], "messages": [{"id": "wamid.sent"}]}, {"status": "sent", "ids": ["wamid.sent"]}

    def body(kind, native, to=None):
        return {"messaging_product": "whatsapp", "recipient_type": "individual", "type": kind, kind: native} | (to or {"to": number})

    def send(name, message, kind, native, to=None):
        book.send(name, message, [call(url, body(kind, native, to), reply=sent)], ok)
    plain = {"body": "It is on its way", "preview_url": False}
    send("a text", out, "text", plain)
    book.lines[-1]["http"][0]["request"]["headers"] = auth
    send("to a person whose number stays hidden", out | {"conversation": dm(contact["user_id"])}, "text", plain, {"recipient": contact["user_id"]})
    send("a quote", out | {"quote": "wamid.theirs"}, "text", plain, {"to": number, "context": {"message_id": "wamid.theirs"}})
    pick = out | {"parts": [text("Pick")], "choices": CHOICES}
    send("buttons", pick | {"choice_style": "buttons"}, "interactive", {"type": "button", "body": {"text": "Pick"}, "action": {"buttons": [
        {"type": "reply", "reply": {"id": c["value"], "title": c["label"]}} for c in CHOICES]}})
    send("a list", pick | {"choice_style": "list"}, "interactive", {"type": "list", "body": {"text": "Pick"}, "action": {
        "button": "☰", "sections": [{"rows": [{"id": c["value"], "title": c["label"]} for c in CHOICES]}]}})
    send("a picture", out | {"parts": [IMAGE]}, "image", {"link": IMAGE["url"]})
    send("a file", out | {"parts": [FILE]}, "document", {"link": FILE["url"], "filename": "invoice.pdf"})
    send("a template", out | {"parts": [{"type": "template", "name": "shipped", "language": "en_US", "params": ["A-1001"]}]}, "template", {
        "name": "shipped", "language": {"code": "en_US"}, "components": [{"type": "body", "parameters": [{"type": "text", "text": "A-1001"}]}]})
    book.send("typing", {"op": "typing", "conversation": dm(number), "last_inbound_id": wamid}, [call(url, {
        "messaging_product": "whatsapp", "status": "read", "message_id": wamid, "typing_indicator": {"type": "text"}}, reply={"success": True})], {"status": "sent", "ids": []})
    for name, status_, code, expect in [
        ("after 24 hours", 400, 131047, {"error": "rejected", "code": "window"}), ("an expired token", 401, 190, {"error": "unauthorized"}),
        ("too many to one person", 400, 131056, {"error": "retry_after", "seconds": 6}), ("too many at once", 429, 130429, {"error": "retry_after", "seconds": 5}),
        ("Meta asks to try again", 400, 131016, {"error": "transient"}), ("nobody there", 400, 131026, {"error": "rejected", "code": "131026"}),
        ("a 5xx after the bytes left", 503, 2, {"error": "uncertain"}),
    ]:
        error = {"error": {"message": "(#1) x", "type": "OAuthException", "code": code, "error_data": {"messaging_product": "whatsapp", "details": "why"}}}
        book.send(name, out, [call(url, status=status_, reply=error)], expect)
    book.call("the address of a picture", "fetch_media", [call("https://graph.facebook.com/v25.0/1479537139650973", reply={
        "url": "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1", "mime_type": "image/jpeg", "id": "1479537139650973"})],
              {"url": "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1", "headers": auth}, part={"type": "media", "media": "image", "ref": "1479537139650973"})
    return book


def messenger():
    config = {"app_secret": "meta-app-secret", "page_access_token": "EAAP", "verify_token": "our-verify-token"}
    book = Book("messenger", config)
    person, page, mid = "6544019012345678", "1906385232743451", "m_AG5Hz2Uq7tuwNEhXfYYKj8mJEM"

    def arrive(name, *messaging, expected=(), kind="page", account=page, **more):
        sent = {"object": kind, "entry": [{"id": account, "time": NOW, "messaging": list(messaging)} | more]}
        book.signed(name, sent, list(expected))

    def said(**more):
        return {"sender": {"id": person}, "recipient": {"id": page}, "timestamp": NOW} | more

    def seen(kind="message", **more):
        return {"id": mid, "account": page, "ts": NOW, "sender": {"id": person}, "conversation": dm(person), "kind": kind} | more

    arrive("a text", said(message={"mid": mid, "text": "Where is order A-1001? 🚚"}), expected=[seen(message_id=mid, parts=[text("Where is order A-1001? 🚚")])])
    files = [{"type": "image", "payload": {"url": "https://scontent.xx.fbcdn.net/1.jpg"}}, {"type": "fallback", "payload": {"title": "x"}}]
    arrive("a picture, and something shared", said(message={"mid": mid, "attachments": files}), expected=[seen(message_id=mid, parts=[
        {"type": "media", "media": "image", "ref": "https://scontent.xx.fbcdn.net/1.jpg"}, {"type": "unsupported", "native": "fallback"}])])
    arrive("an answer to a message", said(message={"mid": mid, "text": "this one", "reply_to": {"mid": "m_ours"}}),
           expected=[seen(message_id=mid, parts=[text("this one")], quote="m_ours")])
    arrive("a quick reply", said(message={"mid": mid, "text": "Return", "quick_reply": {"payload": "return"}}),
           expected=[seen("action", message_id=mid, action={"value": "return", "label": "Return"})])
    arrive("a button", said(postback={"mid": mid, "title": "Return", "payload": "return"}), expected=[seen("action", action={"value": "return", "label": "Return"})])
    arrive("a button without an id", said(postback={"title": "Get started", "payload": "start"}),
           expected=[seen("action", id=f"{person}:{NOW}", action={"value": "start", "label": "Get started"})])
    arrive("our own words come back", {"sender": {"id": page}, "recipient": {"id": person}, "timestamp": NOW, "message": {"is_echo": True, "app_id": 1, "mid": "m_ours", "text": "hi"}})
    arrive("delivered, and read up to a time", said(delivery={"mids": ["m_ours"], "watermark": NOW}), said(read={"watermark": NOW}), expected=[
        seen("receipt", id="m_ours:delivered", receipt={"status": "delivered", "ids": ["m_ours"]}),
        seen("receipt", id=f"{person}:read:{NOW}", receipt={"status": "read", "until": NOW})])
    arrive("a reaction, and its withdrawal", said(reaction={"mid": "m_ours", "action": "react", "reaction": "love", "emoji": "❤"}),
           said(reaction={"mid": "m_ours", "action": "unreact"}, timestamp=NOW + 1), expected=[
               seen("reaction", id=f"m_ours:{person}:{NOW}", reaction={"emoji": "❤", "message_id": "m_ours"}),
               seen("reaction", id=f"m_ours:{person}:{NOW + 1}", ts=NOW + 1, reaction={"emoji": "", "message_id": "m_ours"})])
    arrive("an edit", said(message_edit={"mid": mid, "text": "A-1002", "num_edit": 1}), expected=[seen("edit", id=f"{mid}:1", message_id=mid, parts=[text("A-1002")])])
    arrive("another app holds the thread", standby=[said(message={"mid": mid, "text": "hi"})])
    gram, ig = "17841405822304914", dict(kind="instagram", account="17841405822304914")
    arrive("Instagram: a text", said(recipient={"id": gram}, message={"mid": mid, "text": "hi"}), expected=[seen(account=gram, message_id=mid, parts=[text("hi")])], **ig)
    arrive("Instagram: a message taken back", said(recipient={"id": gram}, message={"mid": mid, "is_deleted": True}),
           expected=[seen("delete", id=mid + ":deleted", account=gram, message_id=mid)], **ig)
    arrive("Instagram: what its own app can show only", said(recipient={"id": gram}, message={"mid": mid, "is_unsupported": True}),
           expected=[seen(account=gram, message_id=mid, parts=[{"type": "unsupported", "native": "message"}])], **ig)
    arrive("Instagram: read", said(recipient={"id": gram}, read={"mid": "m_ours"}), expected=[seen("receipt", id="m_ours:read:", account=gram, receipt={"status": "read", "ids": ["m_ours"]})], **ig)
    arrive("Instagram: a story mention", said(recipient={"id": gram}, message={"mid": mid, "attachments": [{"type": "story_mention", "payload": {"url": "https://lookaside.fbsbx.com/s"}}]}),
           expected=[seen(account=gram, message_id=mid, parts=[{"type": "unsupported", "native": "story_mention"}])], **ig)
    book.signed("another product's webhook", {"object": "permissions", "entry": []}, alert=True)
    book.webhook("the address is tried", hub("messenger", config), response={"headers": {"content-type": "text/plain"}, "body": "1158201444"})
    book.webhook("a stranger tries the address", hub("messenger", config, token="guessed"), status=403)
    book.webhook("no signature", without(book.sign({"object": "page", "entry": []}), "X-Hub-Signature-256"), status=401)

    url, auth = "https://graph.facebook.com/v25.0/me/messages", {"authorization": "Bearer EAAP"}
    out = {"conversation": dm(person), "parts": [text("It is on its way")]}
    sent, ok = {"recipient_id": person, "message_id": "m_sent"}, {"status": "sent", "ids": ["m_sent"]}

    def send(name, message, native):
        book.send(name, message, [call(url, {"recipient": {"id": person}, "messaging_type": "RESPONSE", "message": native}, reply=sent)], ok)
    send("a text", out, {"text": "It is on its way"})
    book.lines[-1]["http"][0]["request"]["headers"] = auth
    pick = out | {"parts": [text("Pick")]}
    send("quick replies", pick | {"choices": CHOICES, "choice_style": "quick_replies"}, {"text": "Pick", "quick_replies": [
        {"content_type": "text", "title": c["label"], "payload": c["value"]} for c in CHOICES]})
    send("buttons", pick | {"choices": [CHOICES[0], LINK], "choice_style": "buttons"}, {"attachment": {"type": "template", "payload": {
        "template_type": "button", "text": "Pick", "buttons": [{"type": "postback", "title": "Return", "payload": "return"}, {"type": "web_url", "title": "Shop", "url": LINK["url"]}]}}})
    send("a picture", out | {"parts": [IMAGE]}, {"attachment": {"type": "image", "payload": {"url": IMAGE["url"]}}})
    book.send("typing", {"op": "typing", "conversation": dm(person)}, [call(url, {"recipient": {"id": person}, "sender_action": "typing_on"}, reply={"recipient_id": person})],
              {"status": "sent", "ids": []})
    book.config = config | {"api": "https://graph.instagram.com"}
    book.send("by Instagram's own login", out, [call("https://graph.instagram.com/v25.0/me/messages", reply=sent)], ok)
    book.config = config
    for name, status, code, sub, expect in [
        ("after 24 hours", 400, 10, 2018278, {"error": "rejected", "code": "window"}), ("an expired token", 400, 190, 463, {"error": "unauthorized"}),
        ("too many at once", 400, 613, None, {"error": "retry_after", "seconds": 60}), ("Meta asks to try again", 400, 1200, None, {"error": "transient"}),
        ("nobody there", 400, 551, 1545041, {"error": "rejected", "code": "1545041"}), ("a 5xx after the bytes left", 500, 2, None, {"error": "uncertain"}),
    ]:
        error = {"error": {"message": "(#1) x", "type": "OAuthException", "code": code, "fbtrace_id": "D2k"} | ({"error_subcode": sub} if sub else {})}
        book.send(name, out, [call(url, status=status, reply=error)], expect)
    book.call("a picture's address is open", "fetch_media", [], {"url": "https://scontent.xx.fbcdn.net/1.jpg"},
              part={"type": "media", "media": "image", "ref": "https://scontent.xx.fbcdn.net/1.jpg"})
    return book


def viber():
    config = {"auth_token": "445da6az1s345z78-dazcczb2542zv51a-e0vc5fva17480im9", "sender_name": "Tandem"}
    book = Book("viber", config)
    person, token = {"id": "01234567890A=", "name": "Ada", "avatar": "https://a.example.test/1.jpg", "language": "en", "country": "GB", "api_version": 10}, 4912661846655238145

    def event(kind, **more):
        return {"event": kind, "timestamp": NOW, "chat_hostname": "SN-1", "message_token": token} | more

    def seen(kind, **more):
        return {"id": str(token), "kind": kind, "ts": NOW, "conversation": dm(person["id"]), "sender": {"id": person["id"], "name": "Ada"}} | more

    def arrive(name, message, part):
        book.signed(name, event("message", sender=person, message=message, silent=False), [seen("message", message_id=str(token), parts=[part])])
    arrive("a text, its id too large for a number", {"type": "text", "text": "Where is order A-1001? 🚚"}, text("Where is order A-1001? 🚚"))
    arrive("a picture", {"type": "picture", "media": "https://dl-media.viber.com/1.jpg", "thumbnail": "https://dl-media.viber.com/1t.jpg", "file_name": "1.jpg", "size": 2048, "text": ""},
           {"type": "media", "media": "image", "ref": "https://dl-media.viber.com/1.jpg", "name": "1.jpg", "size": 2048})
    arrive("a place", {"type": "location", "location": {"lat": 50.76891, "lon": 6.11499}}, {"type": "location", "lat": 50.76891, "lon": 6.11499})
    arrive("a sticker", {"type": "sticker", "sticker_id": 46105, "media": "https://s.example.test/1.png"}, {"type": "unsupported", "native": "sticker"})
    alone = {"conversation": dm(person["id"]), "sender": {"id": person["id"]}}
    for native, status in [("delivered", "delivered"), ("seen", "read")]:
        book.signed(f"a receipt: {native}", event(native, user_id=person["id"]), [seen("receipt", id=f"{token}:{native}", receipt={"status": status, "ids": [str(token)]}) | alone])
    book.signed("a receipt: failed", event("failed", user_id=person["id"], desc="failure description"),
                [seen("receipt", id=f"{token}:failed", receipt={"status": "failed", "ids": [str(token)], "message": "failure description"}) | alone])
    book.signed("a chat is opened", event("conversation_started", type="open", context="ad1", user=person, subscribed=False), [seen("system", system="open")])
    book.signed("a new follower", event("subscribed", user=person), [seen("system", system="follow")])
    book.signed("a follower leaves", event("unsubscribed", user_id=person["id"]), [seen("system", system="unfollow") | alone])
    book.signed("the address is tried", event("webhook"))
    good = book.sign(event("message", sender=person, message={"type": "text", "text": "hi"}))
    book.webhook("no signature", without(good, "X-Viber-Content-Signature"), status=401)

    url, auth = "https://chatapi.viber.com/pa/send_message", {"x-viber-auth-token": config["auth_token"]}
    base = {"receiver": person["id"], "min_api_version": 1, "sender": {"name": "Tandem"}}
    out = {"conversation": dm(person["id"]), "parts": [text("It is on its way")]}
    sent, ok = {"status": 0, "status_message": "ok", "message_token": 5741311803571721087, "chat_hostname": "SN-1", "billing_status": 1}, {"status": "sent", "ids": ["5741311803571721087"]}
    book.send("a text", out, [call(url, base | {"type": "text", "text": "It is on its way"}, reply=sent)], ok)
    book.lines[-1]["http"][0]["request"]["headers"] = auth
    keys = {"Type": "keyboard", "DefaultHeight": False, "Buttons": [
        {"Columns": 6, "Rows": 1, "Text": "Return", "ActionType": "reply", "ActionBody": "Return"},
        {"Columns": 6, "Rows": 1, "Text": "Shop", "ActionType": "open-url", "ActionBody": LINK["url"]}]}
    book.send("a keyboard whose keys say their label", out | {"parts": [text("Pick")], "choices": [CHOICES[0], LINK], "choice_style": "quick_replies"},
              [call(url, base | {"type": "text", "text": "Pick", "keyboard": keys}, reply=sent)], ok)
    book.send("a picture", out | {"parts": [IMAGE]}, [call(url, base | {"type": "picture", "text": "", "media": IMAGE["url"], "thumbnail": IMAGE["preview_url"]}, reply=sent)], ok)
    book.send("a file", out | {"parts": [FILE]}, [call(url, base | {"type": "file", "media": FILE["url"], "size": 2048, "file_name": "invoice.pdf"}, reply=sent)], ok)
    for name, status, code, expect in [
        ("a wrong token", 200, 2, {"error": "unauthorized"}), ("too many at once", 200, 12, {"error": "retry_after", "seconds": 30}),
        ("not subscribed any more", 200, 6, {"error": "rejected", "code": "6"}), ("a 5xx after the bytes left", 500, None, {"error": "uncertain"}),
    ]:
        book.send(name, out, [call(url, status=status, reply={"status": code, "status_message": "x"} if code else None)], expect)
    book.call("a picture's address is open", "fetch_media", [], {"url": "https://dl-media.viber.com/1.jpg"},
              part={"type": "media", "media": "image", "ref": "https://dl-media.viber.com/1.jpg"})
    return book


def twilio():
    config = {"account_sid": "AC" + "a1" * 16, "auth_token": "12345", "from": "+14158141829"}
    book = Book("twilio", config)
    person, me, sid = "+14158675309", config["from"], "SM" + "2b" * 16
    silent = {"headers": {"content-type": "text/xml"}, "body": "<Response/>"}
    form = {"ToCountry": "US", "SmsMessageSid": sid, "NumMedia": "0", "SmsSid": sid, "SmsStatus": "received", "Body": "Where is order A-1001? 🚚 & co",
            "To": me, "NumSegments": "1", "MessageSid": sid, "AccountSid": config["account_sid"], "From": person, "ApiVersion": "2010-04-01"}

    def seen(**more):
        return {"id": sid, "account": me, "kind": "message", "ts": NOW, "message_id": sid, "conversation": dm(person), "sender": {"id": person}, "parts": [text(form["Body"])]} | more

    def arrive(name, fields, *expected, **how):
        book.webhook(name, twilio_sign(config, NOW, fields, **how), list(expected), response=silent)

    arrive("an SMS", form, seen())
    arrive("an SMS, its signature made over the address with the port", form, seen(), port=True)
    arrive("an SMS signed by SHA-256", form, seen(), algorithm="HMAC_SHA256")
    media = form | {"Body": "", "NumMedia": "2", "MediaUrl0": "https://api.twilio.com/m/ME0", "MediaContentType0": "image/jpeg",
                    "MediaUrl1": "https://api.twilio.com/m/ME1", "MediaContentType1": "application/pdf"}
    arrive("pictures without a word", media, seen(parts=[{"type": "media", "media": "image", "ref": "https://api.twilio.com/m/ME0", "mime": "image/jpeg"},
           {"type": "media", "media": "file", "ref": "https://api.twilio.com/m/ME1", "mime": "application/pdf"}]))
    wa = form | {"From": "whatsapp:" + person, "To": "whatsapp:" + me, "ProfileName": "Ada", "Body": "", "Latitude": "37.44", "Longitude": "-122.16", "Label": "HQ"}
    arrive("a place, by WhatsApp", wa, seen(account="whatsapp:" + me, conversation=dm("whatsapp:" + person), sender={"id": "whatsapp:" + person, "name": "Ada"},
           parts=[{"type": "location", "lat": 37.44, "lon": -122.16, "name": "HQ"}]))
    pressed = seen(kind="action", action={"value": "return", "label": "Return"})
    del pressed["parts"]
    arrive("a button, by WhatsApp", form | {"ButtonPayload": "return", "ButtonText": "Return", "Body": "Return"}, pressed)
    fate = {"SmsSid": sid, "SmsStatus": "delivered", "MessageStatus": "delivered", "To": person, "MessageSid": sid, "AccountSid": config["account_sid"],
            "From": me, "ApiVersion": "2010-04-01"}

    def receipt(native, status, **more):
        return {"id": f"{sid}:{native}", "account": me, "kind": "receipt", "ts": NOW, "conversation": dm(person),
                "receipt": {"status": status, "ids": [sid]} | more}
    arrive("a receipt: delivered", fate, receipt("delivered", "delivered"))
    arrive("a receipt: undelivered", fate | {"MessageStatus": "undelivered", "SmsStatus": "undelivered", "ErrorCode": "30003"}, receipt("undelivered", "failed", code="30003"))
    arrive("on its way is no news", fate | {"MessageStatus": "sending", "SmsStatus": "sending"})
    book.webhook("a receipt in JSON", twilio_sign(config, NOW, body=fate), [receipt("delivered", "delivered")], response=silent)
    moved = {("MessageSi" if k == "MessageSid" else k): ("d" + v if k == "MessageSid" else v) for k, v in form.items()}
    shifted = twilio_sign(config, NOW, form)
    from urllib.parse import urlencode
    book.webhook("a border moved between name and value, under the same signature", shifted | {"body": urlencode(moved)}, alert=True)
    book.webhook("another account's message", twilio_sign(config, NOW, form | {"AccountSid": "AC" + "c3" * 16}), alert=True)
    good = twilio_sign(config, NOW, form)
    book.webhook("no signature", without(good, "X-Twilio-Signature"), status=401)
    book.webhook("another address", good | {"url": hook("twilio") + "?x=1"}, status=401)
    inside = twilio_sign(config, NOW, body=fate)
    book.webhook("a JSON body that was exchanged", inside | {"body": inside["body"].replace("delivered", "failed")}, status=401)

    url = f"https://api.twilio.com/2010-04-01/Accounts/{config['account_sid']}/Messages.json"
    out = {"conversation": dm(person), "parts": [text("It is on its way")]}
    fields = {"To": person, "From": me, "Body": "It is on its way", "StatusCallback": hook("twilio")}
    made, ok = {"sid": sid, "status": "queued", "error_code": None}, {"status": "queued", "ids": [sid]}
    book.send("an SMS of ours", out, [call(url, form=fields, status=201, reply=made)], ok)
    import base64
    basic = {"authorization": "Basic " + base64.b64encode(f"{config['account_sid']}:12345".encode()).decode()}
    book.lines[-1]["http"][0]["request"]["headers"] = basic
    book.send("a picture", out | {"parts": [IMAGE]}, [call(url, form={"To": person, "From": me, "MediaUrl": IMAGE["url"], "StatusCallback": hook("twilio")}, status=201, reply=made)], ok)
    book.config = config | {"from": "MG" + "d4" * 16}
    book.send("by a messaging service", out, [call(url, form={"To": person, "MessagingServiceSid": "MG" + "d4" * 16, "Body": "It is on its way", "StatusCallback": hook("twilio")}, status=201, reply=made)], ok)
    book.config = config
    for name, status, code, expect in [
        ("a wrong token", 401, 20003, {"error": "unauthorized"}), ("too many at once", 429, 20429, {"error": "retry_after", "seconds": 2}),
        ("the customer said STOP", 400, 21610, {"error": "rejected", "code": "21610"}), ("WhatsApp, after 24 hours", 400, 63016, {"error": "rejected", "code": "window"}),
        ("a 5xx after the bytes left", 503, 20500, {"error": "uncertain"}),
    ]:
        book.send(name, out, [call(url, status=status, reply={"code": code, "message": "x", "status": status})], expect)
    book.call("a picture wants the credentials", "fetch_media", [], {"url": "https://api.twilio.com/m/ME0", "headers": basic},
              part={"type": "media", "media": "image", "ref": "https://api.twilio.com/m/ME0"})
    return book


def webhook():
    config = {"secret": "whsec-generic", "callback_url": "https://crm.example.test/tandem"}
    book = Book("webhook", config)

    def arrive(name, body, key, expected):
        book.webhook(name, webhook_sign(config, NOW, body, key), [expected])
    who = {"conversation": dm("c-7"), "sender": {"id": "c-7", "name": "Ada"}}
    arrive("a text", who | {"text": "Where is order A-1001? 🚚"}, "k-1", who | {"id": "k-1", "kind": "message", "ts": NOW, "parts": [text("Where is order A-1001? 🚚")]})
    parts = [{"type": "media", "media": "image", "ref": "https://crm.example.test/1.png", "mime": "image/png"}]
    arrive("parts, and a time of its own", who | {"parts": parts, "ts": NOW - 1000, "message_id": "m-2"}, "k-2",
           who | {"id": "k-2", "kind": "message", "ts": NOW - 1000, "message_id": "m-2", "parts": parts})
    arrive("a button", who | {"kind": "action", "action": {"value": "return"}}, "k-3", who | {"id": "k-3", "kind": "action", "ts": NOW, "action": {"value": "return"}})
    read = {"conversation": dm("c-7"), "kind": "receipt", "receipt": {"status": "read", "ids": ["m-9"]}}
    arrive("a receipt", read, "k-4", read | {"id": "k-4", "ts": NOW})
    arrive("an id in the body does not count; the signed key does", who | {"id": "chosen", "text": "hi"}, "k-5",
           who | {"id": "k-5", "kind": "message", "ts": NOW, "parts": [text("hi")]})
    good = webhook_sign(config, NOW, who | {"text": "hi"}, "k-6")
    book.webhook("another key under the same signature", changed(good, "Idempotency-Key", "k-7"), status=401)
    book.webhook("no key", without(good, "Idempotency-Key"), status=401)
    book.webhook("no signature", without(good, "X-Tandem-Signature"), status=401)
    book.webhook("six minutes old", webhook_sign(config, NOW, who | {"text": "hi"}, "k-8", ts=str(SECS - 360)), status=401)
    text_only = webhook_sign(config, NOW, "hello", "k-9")
    book.webhook("signed, but not an event", text_only, alert=True)

    uuid = "7f1c8f4e-0000-5000-8000-00000000a003"
    out = {"uuid": uuid, "conversation": dm("c-7"), "parts": [text("It is on its way")], "choices": CHOICES, "choice_style": "buttons"}
    body = '{"choices":[{"label":"Return","value":"return"},{"label":"Where is it?","value":"track"}],"conversation":{"id":"c-7","kind":"dm"},"op":"send","parts":[{"text":"It is on its way","type":"text"}]}'
    from platforms import webhook_signature
    headers = {"content-type": "application/json", "idempotency-key": uuid, "x-tandem-timestamp": str(SECS), "x-tandem-signature": webhook_signature(config, str(SECS), uuid, body)}
    book.send("a message, signed as those that come", out, [call(config["callback_url"], body=body, reply={"ids": ["m-10"]}, idempotent=True)], {"status": "sent", "ids": ["m-10"]})
    book.lines[-1] |= {"now": NOW}
    book.lines[-1]["http"][0]["request"]["headers"] = headers
    book.send("had already", out, [call(config["callback_url"], status=409)], {"status": "sent", "ids": []})
    for name, status, headers, expect in [
        ("refused", 401, None, {"error": "unauthorized"}), ("too many at once", 429, {"retry-after": "9"}, {"error": "retry_after", "seconds": 9}),
        ("down: sent again under the same key", 503, None, {"error": "transient"}), ("not wanted", 422, None, {"error": "rejected", "code": "422"}),
    ]:
        book.send(name, out, [call(config["callback_url"], status=status, headers=headers)], expect)
    return book


BOOKS = [slack, whatsapp, messenger, viber, twilio, webhook]
