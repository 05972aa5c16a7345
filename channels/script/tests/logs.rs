//! What of a channel's file is in the server's log. One test: the log is the process's.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use common::{House, SECRET};
use tandem_channel_kit::{Channel as _, fake};
use tandem_channel_script::Reload;
use tandem_domain::message::Content;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// What came since it was last asked.
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

#[tokio::test]
async fn the_log_tells_of_customers_and_of_saves() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();

    let house = House::new().await;
    house.save(
        "  send = function(m, c, token)",
        "  send = function(m, c, token)\n    log(\"sending\")",
    );
    assert_eq!(house.script.reload().await, Reload::Swapped);
    assert!(!log.take().contains("sending"), "a fixture is no send");

    let (channel, _inbox) = house.channel("a", SECRET, None);
    let message = fake::outbound(&fake::account("test", "a"), "c", Content::text("hi"));
    channel.send(&message).await.unwrap_err();
    let told = log.take();
    assert!(
        told.contains("sending") && told.contains("account=\"a\""),
        "{told}"
    );

    // Five mistakes, three of them told.
    let path = house.folder.path().join("test.fixtures.jsonl");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{good}{}", "{}\n".repeat(5))).unwrap();
    assert!(matches!(house.script.reload().await, Reload::Refused(_)));
    let told = log.take();
    assert!(
        told.contains("jsonl:5: ") && !told.contains("jsonl:6: "),
        "{told}"
    );
    assert!(
        told.contains("and 2 more: tandem channel check test.luau"),
        "{told}"
    );
    std::fs::write(&path, good).unwrap();
    assert_eq!(house.script.reload().await, Reload::Unchanged);
    let told = log.take();
    assert!(told.contains("again what is live"), "{told}");
}
