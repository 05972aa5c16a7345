//! What people do over the API, on a real engine.

#![allow(clippy::unwrap_used)]

mod support;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Answer, Bench, ask, bench, build, get, post};
use tandem_api::ApiConfig;
use tandem_channel_kit::NewFile;
use tandem_domain::{
    ConversationId, FileId, LaneId, Timestamp, WorkspaceId,
    bus::Topic,
    edge::FetchRow,
    message::{Media, MediaKind},
    store::{Commit, Write},
};
use tandem_engine::Config;
use tandem_store::SqliteOptions;

async fn show(bench: &Bench, id: &str) -> Answer {
    get(format!("/api/v1/conversations/{id}")).to(bench).await
}

async fn lines(bench: &Bench, id: &str) -> Vec<(String, String)> {
    let page = get(format!("/api/v1/conversations/{id}/messages"))
        .to(bench)
        .await;
    page.items()
        .iter()
        .map(|line| {
            let author = line["author"]["kind"].as_str().unwrap().to_owned();
            let text = line["content"]["parts"][0]["text"]
                .as_str()
                .unwrap_or_default();
            (author, text.to_owned())
        })
        .collect()
}

#[tokio::test]
async fn a_person_answers_a_handoff_and_resolves_it() {
    let bench = bench().await;
    let id = bench.waiting("ann").await;
    let before = show(&bench, &id).await;
    assert_eq!(before.body["status"], "open");
    assert_eq!(before.body["routing_state"], "queued");
    assert_eq!(before.body["handoff"]["skill"], "general");
    assert_eq!(before.body["handoff"]["summary"], "wants a person");
    assert_eq!(before.body["customer"]["native_id"], "ann");

    let reply = bench.reply(&id, "How can I help?").await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
    assert_eq!(
        reply.body["author"],
        json!({"kind": "agent", "id": "admin"})
    );
    let taken = show(&bench, &id).await;
    assert_eq!(taken.body["routing_state"], "assigned");
    assert_eq!(taken.body["assignee"], "admin");

    // The bot stays silent now.
    bench.says(&bench.shop, "ann", "m2", "hello").await;
    let all = lines(&bench, &id).await;
    assert_eq!(
        all.last().unwrap(),
        &("contact".to_owned(), "hello".to_owned())
    );

    let path = format!("/api/v1/conversations/{id}/resolve");
    let resolved = post(&path, json!({"outcome": "solved"})).to(&bench).await;
    assert_eq!(resolved.status, StatusCode::OK, "{}", resolved.text);
    assert_eq!(resolved.body["status"], "resolved");
    assert_eq!(resolved.body["outcome"], "solved");
    let again = post(&path, json!({})).to(&bench).await;
    assert_eq!(
        (again.status, again.code()),
        (StatusCode::CONFLICT, "illegal_move")
    );
    assert_eq!(again.body["error"]["details"]["status"], "resolved");
}

#[tokio::test]
async fn a_conversation_given_back_is_the_bots_again() {
    let bench = bench().await;
    let id = bench.waiting("ann").await;
    let path = format!("/api/v1/conversations/{id}/return");
    let returned = post(&path, json!({})).to(&bench).await;
    assert_eq!(returned.status, StatusCode::OK, "{}", returned.text);
    assert_eq!(returned.body["status"], "pending");
    assert_eq!(returned.body["control"], "bot");
    let again = post(&path, json!({})).to(&bench).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    bench.says(&bench.shop, "ann", "m2", "hello").await;
    let all = lines(&bench, &id).await;
    assert_eq!(all.last().unwrap().0, "bot");
}

#[tokio::test]
async fn a_note_is_not_said_and_takes_nothing() {
    let bench = bench().await;
    let id = bench.waiting("ann").await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let body = json!({"text": "a regular", "visibility": "note"});
    let note = post(&path, body).to(&bench).await;
    assert_eq!(note.status, StatusCode::CREATED, "{}", note.text);
    assert_eq!(note.body["visibility"], "note");
    assert_eq!(show(&bench, &id).await.body["routing_state"], "queued");
}

#[tokio::test]
async fn the_same_key_writes_once() {
    let bench = bench().await;
    let id = bench.waiting("ann").await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let write = |key: &'static str, text: &'static str| {
        post(&path, json!({"text": text})).header("idempotency-key", key)
    };
    let first = write("k1", "Hello").to(&bench).await;
    let second = write("k1", "Hello").to(&bench).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(first.body, second.body);
    assert_eq!(first.body["client_id"], "k1");
    let other = write("k1", "Goodbye").to(&bench).await;
    assert_eq!(
        (other.status, other.code()),
        (StatusCode::CONFLICT, "key_reused")
    );
    let in_body = post(&path, json!({"text": "Hello", "client_id": "k1"}))
        .to(&bench)
        .await;
    assert_eq!(in_body.body, first.body);
    // Keys of different tokens are different keys, and a customer cannot take one.
    bench.says(&bench.shop, "ann", "k2", "mine").await;
    let theirs = write("k2", "Hello").to(&bench).await;
    assert_eq!(theirs.status, StatusCode::CREATED);
    let elsewhere = write("k1", "From another")
        .by("conversations:write")
        .to(&bench)
        .await;
    assert_eq!(elsewhere.body["author"]["id"], "conversations-write");
    let differ = post(&path, json!({"text": "x", "client_id": "a"}))
        .header("idempotency-key", "b")
        .to(&bench)
        .await;
    assert_eq!(differ.status, StatusCode::UNPROCESSABLE_ENTITY);
    let said: Vec<(String, String)> = lines(&bench, &id).await;
    assert_eq!(said.iter().filter(|(_, text)| text == "Hello").count(), 2);
}

#[tokio::test]
async fn writing_as_somebody_else_needs_its_scope() {
    let bench = bench().await;
    let id = bench.waiting("ann").await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let body = json!({"text": "Hello", "agent": {"id": "mei", "name": "Mei"}});
    let refused = post(&path, body.clone())
        .by("conversations:write")
        .to(&bench)
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let line = post(&path, body).by("both").to(&bench).await;
    assert_eq!(
        line.body["author"],
        json!({"kind": "agent", "id": "mei", "name": "Mei"})
    );
    assert_eq!(show(&bench, &id).await.body["assignee"], "mei");
}

#[tokio::test]
async fn a_write_on_a_changed_conversation_is_refused_when_asked_for() {
    let bench = bench().await;
    let id = bench.waiting("ann").await;
    let tag = show(&bench, &id).await.headers["etag"]
        .to_str()
        .unwrap()
        .to_owned();
    bench.says(&bench.shop, "ann", "m2", "are you there").await;
    let path = format!("/api/v1/conversations/{id}/resolve");
    let refused = post(&path, json!({}))
        .header("if-match", &tag)
        .to(&bench)
        .await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::PRECONDITION_FAILED, "precondition_failed")
    );
    let tag = show(&bench, &id).await.headers["etag"]
        .to_str()
        .unwrap()
        .to_owned();
    let done = post(&path, json!({}))
        .header("if-match", &tag)
        .to(&bench)
        .await;
    assert_eq!(done.status, StatusCode::OK);
}

#[tokio::test]
async fn lists_are_filtered_and_paged_without_gaps() {
    let bench = bench().await;
    for i in 0..7 {
        bench.waiting(&format!("v{i}")).await;
    }
    bench.says(&bench.shop, "bot", "b1", "hello").await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/conversations?routing_state=queued&limit=3".to_owned();
    loop {
        let page = get(path.clone()).to(&bench).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert!(page.items().len() <= 3);
        seen.extend(
            page.items()
                .iter()
                .map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        match page.body["next"].as_str() {
            Some(next) => {
                path = format!("/api/v1/conversations?routing_state=queued&limit=3&cursor={next}");
            }
            None => break,
        }
    }
    assert_eq!(seen.len(), 7);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 7);
    let pending = get("/api/v1/conversations?status=pending").to(&bench).await;
    assert_eq!(pending.items().len(), 1);
    let skilled = get("/api/v1/conversations?skill=general&limit=200")
        .to(&bench)
        .await;
    assert_eq!(skilled.items().len(), 7);
    let contact = pending.items()[0]["contact"].as_str().unwrap();
    let theirs = get(format!("/api/v1/conversations?contact={contact}"))
        .to(&bench)
        .await;
    assert_eq!(theirs.items().len(), 1);
    let known = get(format!("/api/v1/contacts/{contact}")).to(&bench).await;
    assert_eq!(known.body["native_id"], "bot");
    for query in [
        "limit=0",
        "limit=201",
        "limit=x",
        "status=closed",
        "cursor=x",
        "colour=red",
    ] {
        let answer = get(format!("/api/v1/conversations?{query}"))
            .to(&bench)
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
    }
}

#[tokio::test]
async fn tickets_and_messages_are_paged() {
    let bench = bench().await;
    let mut id = String::new();
    for i in 0..5 {
        id = bench
            .says(&bench.shop, "ann", &format!("t{i}"), "leave word")
            .await;
    }
    let mut titles = 0;
    let mut path = "/api/v1/tickets?limit=2".to_owned();
    loop {
        let page = get(path.clone()).to(&bench).await;
        titles += page.items().len();
        assert!(
            page.items()
                .iter()
                .all(|ticket| ticket["title"] == "Call back"),
            "{}",
            page.text
        );
        match page.body["next"].as_str() {
            Some(next) => path = format!("/api/v1/tickets?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(titles, 5);
    let mut seqs = Vec::new();
    let mut after = "0".to_owned();
    loop {
        let path = format!("/api/v1/conversations/{id}/messages?limit=3&after={after}");
        let page = get(path).to(&bench).await;
        seqs.extend(
            page.items()
                .iter()
                .map(|line| line["seq"].as_u64().unwrap()),
        );
        match page.body["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    let wanted: Vec<u64> = (1..=seqs.len() as u64).collect();
    assert_eq!(seqs, wanted);
}

#[tokio::test]
async fn a_trace_tells_why() {
    let bench = bench().await;
    let id = bench.says(&bench.shop, "ann", "m1", "hello").await;
    let trace = get(format!("/api/v1/conversations/{id}/trace"))
        .to(&bench)
        .await;
    assert_eq!(trace.status, StatusCode::OK, "{}", trace.text);
    let turn = &trace.items()[0];
    assert!(!turn["trace"].as_array().unwrap().is_empty(), "{turn}");
    assert!(turn["trace"][0]["kind"].is_string());
    assert_eq!(turn["events"][0]["event"], "message");
    let timers = get(format!("/api/v1/conversations/{id}/timers"))
        .to(&bench)
        .await;
    assert_eq!(timers.status, StatusCode::OK);
}

#[tokio::test]
async fn an_event_starts_a_flow_once() {
    let bench = bench().await;
    let id = bench.says(&bench.shop, "ann", "m1", "hello").await;
    let contact = show(&bench, &id).await.body["contact"]
        .as_str()
        .unwrap()
        .to_owned();
    let targets: [Value; 3] = [
        json!({"conversation": id}),
        json!({"contact": contact}),
        json!({"account": "shop", "native_id": "ann"}),
    ];
    for (i, target) in targets.into_iter().enumerate() {
        let mut body = json!({"name": "order.shipped", "data": {"order": i}});
        body.as_object_mut()
            .unwrap()
            .extend(target.as_object().unwrap().clone());
        let key = format!("e{i}");
        let first = post("/api/v1/events", body.clone())
            .header("idempotency-key", &key)
            .to(&bench)
            .await;
        assert_eq!(first.status, StatusCode::ACCEPTED, "{}", first.text);
        assert_eq!(first.body["duplicate"], false);
        let again = post("/api/v1/events", body)
            .header("idempotency-key", &key)
            .to(&bench)
            .await;
        assert_eq!(
            again.body,
            json!({"id": first.body["id"], "duplicate": true})
        );
    }
    let said = lines(&bench, &id).await;
    let told = said
        .iter()
        .filter(|(_, text)| text == "Your parcel is on its way.");
    assert_eq!(told.count(), 3);
    for body in [
        json!({"name": "x"}),
        json!({"name": "x", "conversation": id, "contact": contact}),
        json!({"name": "x", "account": "shop"}),
        json!({"name": "", "conversation": id}),
        json!({"name": "a b", "conversation": id}),
        json!({"name": "x", "conversation": id, "data": "x".repeat(20_000)}),
        json!({"name": "x", "account": "shop", "native_id": "a\u{0}b"}),
    ] {
        let answer = post("/api/v1/events", body.clone()).to(&bench).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    }
    let nowhere = json!({"name": "x", "account": "nowhere", "native_id": "ann"});
    assert_eq!(
        post("/api/v1/events", nowhere).to(&bench).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_dead_letter_is_shown_and_sent_again() {
    let bench = bench().await;
    let id = bench.says(&bench.mail, "ann", "m1", "person please").await;
    let shown = show(&bench, &id).await;
    let lane = shown.body["lane"].as_str().unwrap().parse().unwrap();
    let mut listener = bench.engine.bus().subscribe(&Topic::Lane(lane));
    bench.reply(&id, "Refused").await;
    bench.reply(&id, "maybe").await;
    // The outbox says on the lane when an attempt has ended; they end in order.
    let dead = loop {
        let page = get("/api/v1/dead-letters").to(&bench).await;
        if page
            .items()
            .first()
            .is_some_and(|row| row["state"] == "uncertain")
        {
            break page;
        }
        listener.next().await;
    };
    let uncertain = &dead.items()[0];
    let failed = &dead.items()[1];
    assert_eq!(uncertain["state"], "uncertain");
    assert_eq!(
        (&failed["state"], &failed["code"]),
        (&json!("failed"), &json!("blocked"))
    );
    let resend = |row: &Value, body: Value| {
        let id = row["id"].as_str().unwrap();
        post(format!("/api/v1/dead-letters/{id}/resend"), body)
    };
    let warned = resend(uncertain, json!({})).to(&bench).await;
    assert_eq!(
        (warned.status, warned.code()),
        (StatusCode::CONFLICT, "uncertain")
    );
    let sent = resend(failed, json!({})).to(&bench).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.text);
    let sure = resend(uncertain, json!({"even_if_uncertain": true}))
        .to(&bench)
        .await;
    assert_eq!(sure.status, StatusCode::ACCEPTED, "{}", sure.text);
}

#[tokio::test]
async fn packs_are_shown_and_a_bad_one_is_refused() {
    let bench = bench().await;
    let packs = get("/api/v1/packs").to(&bench).await;
    assert_eq!(packs.items()[0]["name"], "tiny");
    assert!(packs.items()[0]["hash"].is_string());
    assert!(packs.items()[0].get("last_reload").is_none());
    let good = post("/api/v1/packs/reload", json!({})).to(&bench).await;
    assert_eq!(good.body["items"][0]["last_reload"]["outcome"], "swapped");
    *bench.reloads.refuse.lock().unwrap() = true;
    let bad = post("/api/v1/packs/reload", json!({})).to(&bench).await;
    assert_eq!(
        (bad.status, bad.code()),
        (StatusCode::UNPROCESSABLE_ENTITY, "pack_refused")
    );
    assert_eq!(bad.body["error"]["details"]["problems"][0]["line"], 7);
    let after = get("/api/v1/packs").to(&bench).await;
    assert_eq!(after.items()[0]["last_reload"]["outcome"], "refused");
}

#[tokio::test]
async fn plugins_are_shown_reloaded_and_switched() {
    let bench = bench().await;
    let all = get("/api/v1/plugins").to(&bench).await;
    assert_eq!(all.items()[0]["state"], "ok");
    assert_eq!(all.body["images"], json!({"loaded": 1, "most": 256}));
    let at = |what: &str| format!("/api/v1/plugins/parcel/{what}");
    let post = async |path: String| ask(Method::POST, path).to(&bench).await;
    assert_eq!(post(at("reload")).await.body["name"], "parcel");
    *bench.plugins.refuse.lock().unwrap() = true;
    let refused = post(at("reload")).await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::UNPROCESSABLE_ENTITY, "plugin_refused")
    );
    let why = &refused.body["error"]["details"]["why"];
    assert_eq!(why, &json!({"en": "it is cut off"}));
    let off = post(at("disable")).await;
    assert_eq!(
        (&off.body["state"], &off.body["why"]["en"]),
        (&json!("disabled"), &json!("admin"))
    );
    // Anybody may read that something is wrong, and nobody the plugin's own words.
    let ready = get("/readyz").without_token().to(&bench).await;
    assert_eq!(ready.status, StatusCode::OK);
    let unwell = json!([{"name": "parcel", "state": "disabled", "why": "it was switched off"}]);
    assert_eq!(ready.body, json!({"status": "ok", "plugins": unwell}));
    assert_eq!(post(at("enable")).await.body["state"], "ok");
    let ready = get("/readyz").without_token().to(&bench).await;
    assert_eq!(ready.body, json!({"status": "ok"}));
    for what in ["reload", "disable", "enable"] {
        let nobody = post(format!("/api/v1/plugins/nobody/{what}")).await;
        assert_eq!(nobody.status, StatusCode::NOT_FOUND, "{what}");
    }
}

#[tokio::test]
async fn accounts_are_shown_with_how_they_stand_and_what_they_sent_that_nobody_understood() {
    let bench = bench().await;
    let page = get("/api/v1/accounts").to(&bench).await;
    let ids: Vec<_> = page.items().iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, ["mail", "shop"]);
    assert!(page.items().iter().all(|row| row["state"] == "good"));
    for inbox in [&bench.mail, &bench.rival] {
        let kept = inbox.accept_unknown("no known event", b"{\"odd\": 1}");
        kept.await.unwrap();
    }
    let page = get("/api/v1/accounts/unknown").to(&bench).await;
    let [row] = page.items().as_slice() else {
        panic!("{}", page.text)
    };
    assert_eq!(row["account"], "mail");
    assert_eq!(row["reason"], "no known event");
    assert_eq!(row["body"], "{\"odd\": 1}");
    for (id, status) in [
        ("mail", StatusCode::ACCEPTED),
        // Another workspace's is not there.
        ("rival", StatusCode::NOT_FOUND),
        ("nobody", StatusCode::NOT_FOUND),
    ] {
        let answer = post(format!("/api/v1/accounts/{id}/resume"), json!({}));
        assert_eq!(answer.to(&bench).await.status, status, "{id}");
    }
}

#[tokio::test]
async fn a_file_is_given_to_its_own_workspace_and_never_as_a_page() {
    let bench = bench().await;
    let file = NewFile {
        name: "page.html".into(),
        mime: "text/html".into(),
        bytes: "<script>alert(1)</script>".into(),
    };
    let lane = LaneId::derive(&["anyone"]);
    let row = bench.shop.store_file(lane, file).await.unwrap();
    let path = format!("/api/v1/files/{}", row.id);
    let given = get(&path).to(&bench).await;
    assert_eq!(given.status, StatusCode::OK);
    assert_eq!(given.text, "<script>alert(1)</script>");
    let header = |name: &str| given.headers[name].to_str().unwrap().to_owned();
    let saved = "attachment; filename*=UTF-8''page%2Ehtml";
    assert_eq!(header("content-disposition"), saved);
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(header("content-security-policy").starts_with("sandbox"));
    let theirs = get(&path).by("rival").to(&bench).await;
    assert_eq!(theirs.status, StatusCode::NOT_FOUND);
    let none = get("/api/v1/files/not-an-id").to(&bench).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_file_is_open_to_whoever_has_its_link() {
    let reached = Config {
        public_url: Some("https://help.test/".into()),
        ..Config::default()
    };
    let bench = build(ApiConfig::default(), reached, SqliteOptions::default()).await;
    let file = |mime: &str| NewFile {
        name: "a b.png".into(),
        mime: mime.into(),
        bytes: "bytes".into(),
    };
    let lane = LaneId::derive(&["anyone"]);
    let row = bench
        .shop
        .store_file(lane, file("image/png"))
        .await
        .unwrap();
    let other = bench
        .shop
        .store_file(lane, file("text/html"))
        .await
        .unwrap();
    let links = bench.engine.links(&WorkspaceId::default()).unwrap();
    let path = |file, at| {
        let link = links.to(file, at);
        link.strip_prefix("https://help.test").unwrap().to_owned()
    };
    let now = Timestamp::now();
    let good = path(row.id, now);
    let given = get(&good).without_token().to(&bench).await;
    assert_eq!(
        (given.status, given.text.as_str()),
        (StatusCode::OK, "bytes")
    );
    assert_eq!(
        given.headers["content-disposition"],
        "inline; filename*=UTF-8''a%20b%2Epng"
    );
    // Nothing that a browser would run.
    let page = get(path(other.id, now)).without_token().to(&bench).await;
    let how = page.headers["content-disposition"].to_str().unwrap();
    assert!(how.starts_with("attachment"), "{how}");
    let long_ago = Timestamp(now.0 - 30 * 86_400_000);
    let expired = get(path(row.id, long_ago)).without_token().to(&bench).await;
    assert_eq!(expired.status, StatusCode::GONE);
    assert!(expired.text.contains("此链接已过期"), "{}", expired.text);
    let bare = good.split_once('?').unwrap().0;
    let signature = good.split_once("?s=").unwrap().1;
    for forged in [
        bare.to_owned(),
        format!("{bare}?s="),
        format!("{bare}?s=x&s=y"),
        good.replace("/default/", "/other/"),
        format!("/files/default/{}?s={signature}", other.id),
        format!("{good}x"),
        format!("/files/default/none?s={signature}"),
    ] {
        let refused = get(&forged).without_token().to(&bench).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{forged}");
    }
}

#[tokio::test]
async fn a_line_that_no_channel_can_change_stays() {
    let bench = bench().await;
    let id = bench.says(&bench.shop, "v", "1", "hello").await;
    let path = format!("/api/v1/conversations/{id}");
    let said = post(format!("{path}/messages"), json!({"text": "hi"}))
        .to(&bench)
        .await;
    let line = format!("{path}/messages/{}", said.body["seq"]);
    let patch = |line: &str, body: Value| {
        let ask = ask(Method::PATCH, line).header("content-type", "application/json");
        ask.raw(body.to_string())
    };
    let refused = patch(&line, json!({"text": "ho"})).to(&bench).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(refused.code(), "unchangeable");
    let refused = ask(Method::DELETE, &line).to(&bench).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let empty = patch(&line, json!({"text": " "})).to(&bench).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    for nobodys in [format!("{path}/messages/99"), format!("{path}/messages/x")] {
        let none = ask(Method::DELETE, &nobodys).to(&bench).await;
        assert_eq!(none.status, StatusCode::NOT_FOUND, "{nobodys}");
    }
    let shown = post(format!("{path}/typing"), json!({})).to(&bench).await;
    assert_eq!(shown.status, StatusCode::ACCEPTED);
    let theirs = post(format!("{path}/typing"), json!({})).by("rival");
    assert_eq!(theirs.to(&bench).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_file_that_its_platform_still_has_is_promised_or_given_up() {
    let bench = bench().await;
    let mut row = FetchRow {
        file: FileId::fresh(),
        account: "shop".into(),
        lane: LaneId::derive(&["anyone"]),
        conversation: ConversationId::fresh(),
        media: Media {
            media: MediaKind::Image,
            reference: "native".into(),
            mime: "image/png".into(),
            name: None,
            size: None,
            alt: None,
        },
        attempts: 1,
        due_at: Some(Timestamp(i64::MAX)),
        problem: None,
        created_at: Timestamp(0),
    };
    let path = format!("/api/v1/files/{}", row.file);
    for (due_at, status) in [
        (row.due_at, StatusCode::SERVICE_UNAVAILABLE),
        (None, StatusCode::GONE),
    ] {
        row.due_at = due_at;
        let mut commit = Commit::new(WorkspaceId::default());
        commit.writes.push(Write::FetchPut(row.clone()));
        bench.engine.store().commit(commit).await.unwrap();
        assert_eq!(get(&path).to(&bench).await.status, status);
    }
}
