//! What becomes of messages, and of the files that are in them.

use super::{tape::*, *};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_send_that_went_wrong_means_is_never_guessed() {
    let tape = Taped::new("sends").await;
    let receipt = tape.send("hello").await.unwrap();
    assert_eq!(receipt.native_ids, ["t1"]);
    let end = tape.send("panic").await;
    assert!(matches!(end, Err(SendError::Uncertain(_))), "{end:?}");
    let end = tape.send("ids").await;
    assert!(matches!(end, Err(SendError::Uncertain(_))), "{end:?}");
    let end = tape.send("wait").await;
    let day = Duration::from_secs(24 * 3600);
    assert!(
        matches!(end, Err(SendError::RetryAfter(d)) if d == day),
        "{end:?}"
    );
    assert_eq!(far()["sends"].sent, ["hello"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_never_returns_is_uncertain_and_others_go_on() {
    let World { plugins, .. } = world();
    let plugins = Arc::new(plugins);
    far().insert("slow".into(), Far::default());
    let manifest: Manifest = Tape::methods().manifest();
    let entry = json!({"name": "tape", "timeout_ms": 200});
    let config: PluginConfig = serde_json::from_value(entry).unwrap();
    let kind = PluginKind::new("tape", config, manifest).linked(plugins.clone(), linked::<Tape>());
    let opening = opening("tape", "slow", json!({"name": "slow"}));
    let channel = kind.open(opening).await.unwrap();
    let account = fake::account("tape", "slow");
    let send = async |text: &str| {
        let message = fake::outbound(&account, "ada", Content::text(text));
        channel.send(&message).await
    };
    for _ in 0..3 {
        let end = send("hang").await;
        assert!(matches!(end, Err(SendError::Uncertain(_))), "{end:?}");
        assert!(send("quick").await.is_ok());
    }
    let end = send("hang").await;
    assert!(matches!(end, Err(SendError::Uncertain(_))), "{end:?}");
    let refused = send("not begun").await;
    assert!(
        matches!(refused, Err(SendError::Transient(_))),
        "{refused:?}"
    );
    assert!(matches!(channel.health(), Health::Broken(why) if why.contains("4 calls")));
    assert_eq!(far()["slow"].sent, ["quick"; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_written_into_the_platforms_own_request_once() {
    let tape = Taped::new("claims").await;
    let answer = fake::outbound(&tape.account, "ada", Content::text("right now"));
    tape.sink.claim_next(vec![answer.clone()]);
    let (status, headers, body) = tape.call("/hooks/tape/claims/in-band").await;
    assert_eq!((status, body.as_str()), (200, "right now"));
    assert_eq!(headers["content-type"], "text/plain");
    assert_eq!(
        tape.sink.claims(),
        [Some(true)],
        "the second end of it was refused"
    );
    assert_eq!(tape.sink.waits(), [Duration::from_millis(400)]);
    // Asked again, it is a duplicate and nothing is written.
    assert_eq!(tape.call("/hooks/tape/claims/in-band").await.2, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_are_fetched_by_their_reference() {
    let tape = Taped::new("media").await;
    let fetch = async |reference: &str| {
        let media = Media {
            media: MediaKind::Image,
            reference: reference.into(),
            mime: "image/png".into(),
            name: None,
            size: None,
            alt: None,
        };
        tape.channel.fetch(&media).await
    };
    let fetched = fetch("m1").await.unwrap();
    assert_eq!(fetched.mime.as_deref(), Some("image/png"));
    assert_eq!(&fetched.bytes[..], b"bytes");
    let gone = fetch("gone").await;
    assert!(matches!(gone, Err(SendError::Rejected { code, .. }) if code == "404"));
    let panicked = fetch("panic").await;
    assert!(matches!(panicked, Err(SendError::Transient(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_with_a_stored_file_leaves_with_its_bytes() {
    let tape = Taped::new("files").await;
    let send = async |reference: String| {
        let media = Media {
            media: MediaKind::File,
            reference,
            mime: "text/plain".into(),
            name: None,
            size: None,
            alt: None,
        };
        let content = Content {
            parts: vec![Part::Media(media)],
            ..Content::default()
        };
        let message = fake::outbound(&tape.account, "ada", content);
        tape.channel.send(&message).await
    };
    let store = async |inbox: &Inbox, name: &str, bytes: usize| {
        let file = NewFile {
            name: name.into(),
            mime: "application/pdf".into(),
            bytes: vec![7; bytes].into(),
        };
        let row = inbox
            .store_file(LaneId::derive(&["l"]), file)
            .await
            .unwrap();
        format!("file:{}", row.id)
    };
    let refused = async |reference: String, why: &str| {
        let end = send(reference).await;
        assert!(
            matches!(&end, Err(SendError::Rejected { code, .. }) if code == why),
            "{end:?}"
        );
    };
    let inbox = tape.inbox();
    let ours = store(&inbox, "bill.pdf", 10 << 20).await;
    let unnamed = store(&inbox, "", 3).await;
    let large = store(&inbox, "film.mp4", (10 << 20) + 1).await;
    let theirs = Account {
        workspace: WorkspaceId::new("another"),
        ..tape.account.clone()
    };
    let theirs = Inbox::new(theirs, Arc::new(tape.sink.clone()));
    let theirs = store(&theirs, "secret.pdf", 3).await;

    // Nobody has connected the account yet.
    let end = send(ours.clone()).await;
    assert!(matches!(end, Err(SendError::Transient(_))), "{end:?}");
    let _routes = tape.channel.routes(tape.inbox());
    send(ours.clone()).await.unwrap();
    send(unnamed).await.unwrap();
    assert_eq!(
        far()["files"].sent,
        ["bill.pdf application/pdf 10485760", "- application/pdf 3"]
    );
    refused(theirs, "not_found").await;
    refused(
        format!("file:{}", tandem_domain::FileId::fresh()),
        "not_found",
    )
    .await;
    refused("file:../../etc/passwd".into(), "not_found").await;
    refused(large, "too_large").await;
    refused("https://shop.example/a.pdf".into(), "bad_input").await;
    assert_eq!(far()["files"].sent.len(), 2);
}
