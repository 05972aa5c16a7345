//! Files, both ways.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{account, error, far, method, ok};
use serde_json::{Value, json};
use tandem_channel_kit::{
    Channel, Inbox, MEDIA_MAX, NewFile, Stop,
    fake::{
        self, MemorySink,
        platform::{FarPlatform, Reply},
    },
};
use tandem_domain::{
    channel::SendError,
    message::{Content, Media, MediaKind, Part},
};

fn media(kind: MediaKind, reference: &str) -> Media {
    Media {
        media: kind,
        reference: reference.to_owned(),
        mime: "image/png".to_owned(),
        name: Some("chair.png".to_owned()),
        size: Some(4),
        alt: None,
    }
}

/// A channel that runs, over a sink that holds a file of each of these types.
async fn with_files(far: &FarPlatform, files: &[(&str, &str)]) -> (Arc<dyn Channel>, Vec<String>) {
    let channel = common::poller(&far.url()).await;
    let inbox = Inbox::new(account(), Arc::new(MemorySink::new()));
    let mut references = Vec::new();
    for (name, mime) in files {
        let file = NewFile {
            name: (*name).to_owned(),
            mime: (*mime).to_owned(),
            bytes: b"\x89PNG".as_slice().into(),
        };
        let lane = inbox.lane(&fake::outbound(&account(), "5", Content::default()).conversation);
        let row = inbox.store_file(lane, file).await.unwrap();
        references.push(format!("file:{}", row.id));
    }
    let stop = Stop::new();
    stop.stop();
    channel.run(inbox, stop).await.unwrap();
    (channel, references)
}

#[tokio::test]
async fn a_stored_file_is_handed_over_as_what_it_is() {
    let far = far().await;
    let files = [
        ("chair.png", "image/png", "SendPhoto", "photo"),
        ("spin.gif", "image/gif", "SendAnimation", "animation"),
        ("plan.svg", "image/svg+xml", "SendDocument", "document"),
        ("note.ogg", "audio/ogg", "SendVoice", "voice"),
        ("song.mp3", "audio/mpeg", "SendAudio", "audio"),
        ("clip.mp4", "video/mp4", "SendVideo", "video"),
        ("bill.pdf", "application/pdf", "SendDocument", "document"),
    ];
    let stored: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, mime, ..)| (*name, *mime))
        .collect();
    let (channel, references) = with_files(&far, &stored).await;
    for ((name, mime, called, field), reference) in files.into_iter().zip(references) {
        far.on(&method(called), |_| {
            ok(&json!({"message_id": 9, "chat": {"id": 5}}))
        });
        let before = far.calls_to(&method(called)).len();
        let part = Part::Media(media(MediaKind::of_mime(mime), &reference));
        let content = Content {
            parts: vec![part],
            ..Content::default()
        };
        let receipt = channel
            .send(&fake::outbound(&account(), "5", content))
            .await;
        assert_eq!(receipt.unwrap().native_ids, ["5:9"], "{name}");
        let calls = far.calls_to(&method(called));
        assert_eq!(calls.len(), before + 1, "{name}");
        let form = calls.last().unwrap().text();
        let named = format!("name=\"file\"; filename=\"{name}\"\r\nContent-Type: {mime}\r\n\r\n");
        for part in [
            "name=\"chat_id\"\r\n\r\n5\r\n",
            &format!("name=\"{field}\"\r\n\r\nattach://file\r\n"),
            &named,
        ] {
            assert!(form.contains(part), "{part:?} in {form}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_gone_is_refused() {
    let far = far().await;
    let (channel, _) = with_files(&far, &[]).await;
    let gone = format!("file:{}", tandem_domain::FileId::fresh());
    let content = Content {
        parts: vec![Part::Media(media(MediaKind::Image, &gone))],
        ..Content::default()
    };
    let end = channel
        .send(&fake::outbound(&account(), "5", content))
        .await;
    assert!(matches!(end, Err(SendError::Rejected { code, .. }) if code == "media"));
}

/// What comes of a fetch, where the Bot API answers like this.
async fn fetch(path: Reply, file: Reply) -> Result<Vec<u8>, SendError> {
    let far = far().await;
    far.on(&method("GetFile"), move |call| {
        assert_eq!(call.json(), json!({"file_id": "AgAC"}));
        path.clone()
    });
    far.on(
        &format!("/file/bot{}/photos/file_1.png", common::TOKEN),
        move |_| file.clone(),
    );
    let channel = common::poller(&far.url()).await;
    let fetched = channel.fetch(&media(MediaKind::Image, "AgAC")).await;
    fetched.map(|fetched| fetched.bytes.to_vec())
}

fn at(path: &str) -> Reply {
    ok(&json!({"file_id": "AgAC", "file_unique_id": "a", "file_path": path}))
}

#[tokio::test]
async fn what_a_customer_sent_is_fetched() {
    let good = || Reply::bytes(200, "application/octet-stream", b"\x89PNG".to_vec());
    assert_eq!(
        fetch(at("photos/file_1.png"), good()).await.unwrap(),
        b"\x89PNG"
    );

    let refused = [
        fetch(error(400, "Bad Request: file is too big"), good()).await,
        fetch(error(400, "Bad Request: invalid file_id"), good()).await,
        fetch(at("/var/lib/telegram/photo.png"), good()).await,
        fetch(ok(&json!({"file_id": "AgAC"})), good()).await,
        fetch(at("photos/file_1.png"), Reply::text(404, "Not Found")).await,
        fetch(
            at("photos/file_1.png"),
            Reply::bytes(200, "a/b", vec![0; MEDIA_MAX + 1]),
        )
        .await,
        // Where an answer leads, nobody follows.
        fetch(
            at("photos/file_1.png"),
            Reply::text(302, "").with("location", "http://127.0.0.1:1/"),
        )
        .await,
    ];
    for (n, end) in refused.into_iter().enumerate() {
        let Err(SendError::Rejected { code, message }) = end else {
            panic!("{n}: {end:?}");
        };
        assert_eq!(code, "media", "{n}");
        assert!(!message.contains("tandem-token"), "{message}");
    }

    let later = [
        fetch(Reply::Cut, good()).await,
        fetch(error(500, "Internal Server Error"), good()).await,
        fetch(at("photos/file_1.png"), Reply::Cut).await,
        fetch(at("photos/file_1.png"), Reply::text(502, "")).await,
    ];
    for (n, end) in later.into_iter().enumerate() {
        assert!(matches!(end, Err(SendError::Transient(_))), "{n}: {end:?}");
    }
    let end = fetch(error(401, "Unauthorized"), good()).await;
    assert!(matches!(end, Err(SendError::Unauthorized(_))), "{end:?}");
}

#[tokio::test]
async fn a_path_cannot_leave_the_bot() {
    let far = far().await;
    far.on(&method("GetFile"), |_| at("../../bot3:other/getMe?x=#y"));
    let channel = common::poller(&far.url()).await;
    let _ = channel.fetch(&media(MediaKind::Image, "AgAC")).await;
    let asked: Vec<Value> = far
        .calls_to("/file*")
        .iter()
        .map(|call| json!(call.path))
        .collect();
    let expected = format!("/file/bot{}/bot3:other/getMe%3Fx=%23y", common::TOKEN);
    assert_eq!(asked, [json!(expected)]);
}
