//! What customers send besides words.

use super::*;

fn picture(house: &House, id: &str) -> Inbound {
    let mut event = house.event(id, "");
    event.parts = vec![Part::Media(Media {
        media: MediaKind::Image,
        reference: format!("native-{id}"),
        mime: "image/*".into(),
        name: Some("chair".into()),
        size: None,
        alt: None,
    })];
    event
}

/// The stored file that the newest line of the customer names.
async fn named(house: &House) -> FileId {
    let lines = house.all().await;
    let line = lines.iter().rfind(|line| line.author == Author::Contact);
    let Some(Part::Media(media)) = line.unwrap().content.parts.first() else {
        panic!("no picture in {lines:?}");
    };
    media
        .reference
        .strip_prefix("file:")
        .unwrap()
        .parse()
        .unwrap()
}

/// Waits for an event of the workspace that tells of this file.
async fn told(house: &House, name: &str, file: FileId) {
    let looked = async {
        loop {
            let events = house.store.events(&house.account.workspace, 0, 999);
            let events = events.await.unwrap();
            let here = |e: &tandem_domain::store::Event| {
                e.name == name && e.data["file"] == file.to_string()
            };
            if events.iter().any(here) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), looked);
    waited
        .await
        .unwrap_or_else(|_| panic!("nobody was told of {name}"));
}

#[tokio::test]
async fn a_picture_is_named_at_once_and_fetched_until_it_is_here() {
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";
    let platform = Platform {
        // The last is the first.
        media: vec![Ok(PNG), Err(SendError::Transient("down".into()))].into(),
        ..Platform::default()
    };
    let house = House::build(platform, Service::default()).await;
    let event = picture(&house, "1");
    let taken = house.take(event.clone()).await;
    let file = named(&house).await;
    let w = &house.account.workspace;
    let waits = async {
        loop {
            let row = house.store.fetch(w, file).await.unwrap().unwrap();
            if row.problem.is_some() {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let row = tokio::time::timeout(Duration::from_secs(20), waits)
        .await
        .unwrap();
    assert_eq!(row.problem.unwrap(), "not sent: down");
    assert!(house.engine.file(w, file).await.unwrap().is_none());
    // The same event again is the same file, asked for once.
    assert_eq!(
        house.take(event).await,
        Accepted::Duplicate(taken.id().unwrap())
    );
    house.pass(60);
    told(&house, "media.stored", file).await;
    let stored = house.engine.file(w, file).await.unwrap().unwrap();
    assert_eq!(&stored.bytes[..], PNG);
    // The bytes say what it is, not the platform.
    assert_eq!(
        (stored.row.mime.as_str(), stored.row.name.as_str()),
        ("image/png", "chair.png")
    );
    assert_eq!(house.store.fetch(w, file).await.unwrap(), None);
    let asked = house.platform.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|media| media.reference == "native-1"));
}

#[tokio::test]
async fn a_picture_that_is_gone_is_given_up_and_told() {
    let house = House::build(Platform::default(), Service::default()).await;
    house.take(picture(&house, "1")).await;
    let file = named(&house).await;
    told(&house, "media.failed", file).await;
    let row = house.store.fetch(&house.account.workspace, file).await;
    let row = row.unwrap().unwrap();
    assert_eq!(row.due_at, None);
    assert_eq!(row.problem.unwrap(), "404: no such media");
}

#[tokio::test]
async fn an_album_is_read_as_one_message() {
    let house = House::build(Platform::default(), Service::default()).await;
    let piece = |id: &str, album: &str, caption: Option<&str>| {
        let mut event = house.event(id, "");
        let picture = Part::Media(Media {
            media: MediaKind::Image,
            reference: format!("platform-{id}"),
            mime: "image/jpeg".into(),
            name: None,
            size: None,
            alt: None,
        });
        event.parts = std::iter::once(picture)
            .chain(caption.map(Part::text))
            .collect();
        event.album = Some(album.into());
        event
    };
    let theirs = async || {
        let lines = house.all().await;
        let theirs = lines.into_iter().filter(|l| l.author == Author::Contact);
        theirs.map(|l| l.content.parts.len()).collect::<Vec<_>>()
    };
    // One after the other, the last of them twice; and in one batch.
    house.take(piece("1", "a", None)).await;
    house.take(piece("2", "a", Some("two chairs"))).await;
    let third = house.take(piece("3", "a", None)).await;
    let again = house.take(piece("3", "a", None)).await;
    assert_eq!(again, Accepted::Duplicate(third.id().unwrap()));
    house.sent(1).await;
    assert_eq!(theirs().await, [4]);
    let batch = vec![piece("4", "b", None), piece("5", "b", Some("hello"))];
    house.engine.accept(&house.account, batch).await.unwrap();
    house.sent(2).await;
    assert_eq!(theirs().await, [4, 3]);
    // Words that come at once do not wait for pieces that may come.
    house.take(piece("6", "c", None)).await;
    house.accept("7", "hello").await;
    assert_eq!(theirs().await, [4, 3, 1, 1]);
}
