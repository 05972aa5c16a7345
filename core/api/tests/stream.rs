//! The event stream over a real socket.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use support::{Bench, bench, bench_with, get, token};
use tandem_api::ApiConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn serve(bench: &Bench) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = bench.app.clone();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("ws://{address}/api/v1/events/stream")
}

async fn open(address: &str, by: &str) -> Result<Socket, tungstenite::Error> {
    let mut request = address.into_client_request().unwrap();
    let value = format!("Bearer {}", token(by));
    request
        .headers_mut()
        .insert("authorization", value.parse().unwrap());
    connect_async(request).await.map(|(socket, _)| socket)
}

/// The next frame that is an event. It comes when it happens, long before the stream looks by
/// itself.
async fn next(socket: &mut Socket) -> Value {
    let frame = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            match socket.next().await.unwrap().unwrap() {
                Message::Text(text) => break text,
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    serde_json::from_str(&frame.await.expect("an event comes")).unwrap()
}

async fn logged(bench: &Bench) -> Vec<Value> {
    get("/api/v1/events?limit=200")
        .to(bench)
        .await
        .items()
        .clone()
}

#[tokio::test]
async fn events_arrive_in_order_and_are_replayed_after_a_break() {
    let bench = bench().await;
    let address = serve(&bench).await;
    bench.says(&bench.shop, "early", "m0", "hello").await;
    let before = logged(&bench).await.len() as u64;
    let mut live = open(&address, "events:read").await.unwrap();
    bench.waiting("ann").await;
    let first = next(&mut live).await;
    assert_eq!(first["seq"], before + 1);
    drop(live);
    bench.waiting("bob").await;
    let all = logged(&bench).await;
    let mut again = open(&format!("{address}?last_seq={}", before + 1), "events:read")
        .await
        .unwrap();
    for wanted in &all[usize::try_from(before).unwrap() + 1..] {
        assert_eq!(&next(&mut again).await, wanted);
    }
    let mut whole = open(&format!("{address}?last_seq=0"), "admin")
        .await
        .unwrap();
    for wanted in &all {
        assert_eq!(&next(&mut whole).await, wanted);
    }
}

#[tokio::test]
async fn a_reader_from_another_time_is_told_to_begin_anew() {
    let bench = bench().await;
    let address = serve(&bench).await;
    bench.waiting("ann").await;
    let newest = logged(&bench).await.len();
    let mut socket = open(&format!("{address}?last_seq=9999999"), "admin")
        .await
        .unwrap();
    let frame = next(&mut socket).await;
    assert_eq!(
        (&frame["event"], &frame["seq"]),
        (&"resync_required".into(), &newest.into())
    );
    bench.waiting("bob").await;
    assert_eq!(next(&mut socket).await["seq"], newest + 1);
}

#[tokio::test]
async fn another_workspace_hears_nothing() {
    let bench = bench().await;
    let address = serve(&bench).await;
    let mut socket = open(&format!("{address}?last_seq=0"), "rival")
        .await
        .unwrap();
    bench.waiting("ann").await;
    bench.says(&bench.rival, "eve", "m1", "hello").await;
    let heard = next(&mut socket).await;
    assert_eq!(heard["seq"], 1);
    let theirs = get("/api/v1/events").by("rival").to(&bench).await;
    assert_eq!(&heard, &theirs.items()[0]);
}

#[tokio::test]
async fn streams_are_counted_and_end_with_the_server() {
    let bench = bench_with(ApiConfig {
        streams: 1,
        ..ApiConfig::default()
    })
    .await;
    let address = serve(&bench).await;
    let mut one = open(&address, "admin").await.unwrap();
    // The permit is taken before the answer, so the second comes too late.
    match open(&address, "admin").await {
        Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 429),
        other => panic!("{:?}", other.map(|_| ())),
    }
    for by in ["none", "nobody"] {
        assert!(open(&address, by).await.is_err());
    }
    one.send(Message::text("whatever")).await.unwrap();
    bench.stop.stop();
    let closed = loop {
        match one.next().await {
            Some(Ok(Message::Close(frame))) => break frame,
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(u16::from(closed.unwrap().code), 1012);
    let plain = get("/api/v1/events/stream").to(&bench).await;
    assert_eq!(plain.status, 422);
}
