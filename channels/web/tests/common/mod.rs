#![allow(dead_code, clippy::unwrap_used)]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tandem_channel_kit::{Channel, Inbox, Sink, Stop, fake, fake::MemorySink};
use tandem_channel_web::{
    Config, WebChannel,
    config::{Key, Limits},
};
use tandem_domain::{Timestamp, message::Content};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message as Ws, client::IntoClientRequest, protocol::CloseFrame},
};
use tower::ServiceExt;

pub const NOW: i64 = 1_800_000_000_000;
pub const SHOP: &str = "https://shop.example";

pub fn config() -> Config {
    Config {
        origins: vec![SHOP.to_owned()],
        keys: vec![Key {
            id: "k1".to_owned(),
            secret: "a secret of at least thirty-two bytes".to_owned(),
        }],
        identity_secret: Some("the shop's own secret".to_owned()),
        limits: Limits {
            burst: 10_000,
            per_second: 10_000.0,
            per_ip_burst: 0,
            ..Limits::default()
        },
        ..Config::default()
    }
}

/// A widget account over a sink in memory, with a clock that stands still.
pub struct Rig {
    pub sink: MemorySink,
    pub channel: WebChannel,
    pub inbox: Inbox,
    pub router: Router,
    pub clock: Arc<AtomicI64>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.bytes)))
    }

    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }
}

impl Rig {
    pub fn new() -> Self {
        Self::with(config(), MemorySink::with_bot(echo))
    }

    pub fn with(config: Config, sink: MemorySink) -> Self {
        Self::account("shop", config, sink)
    }

    pub fn account(account: &str, config: Config, sink: MemorySink) -> Self {
        let clock = Arc::new(AtomicI64::new(NOW));
        let hand = clock.clone();
        let account = fake::account("web", account);
        let channel = WebChannel::with_clock(
            account.clone(),
            config,
            Arc::new(move || Timestamp(hand.load(Ordering::Relaxed))),
        )
        .unwrap();
        let inbox = Inbox::new(account, Arc::new(sink.clone()) as Arc<dyn Sink>);
        let router = channel.routes(inbox.clone());
        Self {
            sink,
            channel,
            inbox,
            router,
            clock,
        }
    }

    pub async fn request(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            bytes: to_bytes(body, usize::MAX).await.unwrap(),
        }
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        let mut request = Request::post(path).header("origin", SHOP);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.request(request.body(Body::from(body.to_string())).unwrap())
            .await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        let mut request = Request::get(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.request(request.body(Body::empty()).unwrap()).await
    }

    pub async fn session(&self) -> String {
        let answer = self.post("/web/shop/session", "", json!({})).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    pub async fn upload(&self, token: &str, name: &str, bytes: &[u8]) -> Answer {
        let request = Request::post("/web/shop/files")
            .header("authorization", format!("Bearer {token}"))
            .header("x-file-name", name)
            .body(Body::from(bytes.to_vec()))
            .unwrap();
        self.request(request).await
    }

    /// Serves on a free port until the runtime ends.
    pub async fn serve(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = self
            .router
            .clone()
            .into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    pub fn run(&self) -> (Stop, tokio::task::JoinHandle<()>) {
        let stop = Stop::new();
        let (channel, inbox, until) = (self.channel.clone(), self.inbox.clone(), stop.clone());
        let task = tokio::spawn(async move { channel.run(inbox, until).await.unwrap() });
        (stop, task)
    }
}

/// Says what was said.
pub fn echo(event: &tandem_domain::message::Inbound) -> Vec<Content> {
    use tandem_domain::message::InboundKind;
    match &event.kind {
        InboundKind::Message => vec![Content::text(format!("You said: {}", event.text()))],
        InboundKind::Action { value, .. } => vec![Content::text(format!("You pressed: {value}"))],
        _ => Vec::new(),
    }
}

/// A widget's end of a socket.
pub struct Client(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub async fn open(address: SocketAddr) -> Self {
        Self::from(address, SHOP).await.unwrap()
    }

    pub async fn from(
        address: SocketAddr,
        origin: &str,
    ) -> Result<Self, tokio_tungstenite::tungstenite::Error> {
        let mut request = format!("ws://{address}/web/shop/socket")
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
        Ok(Self(tokio_tungstenite::connect_async(request).await?.0))
    }

    /// Opens, says hello and gives the lines that were missed.
    pub async fn hello(address: SocketAddr, token: &str, after: Option<&str>) -> Self {
        let mut client = Self::open(address).await;
        client
            .send(json!({"type": "hello", "token": token, "after": after}))
            .await;
        let ready = client.next().await;
        assert_eq!(ready["type"], "ready", "{ready}");
        client
    }

    pub async fn send(&mut self, frame: Value) {
        self.raw(Ws::text(frame.to_string())).await;
    }

    pub async fn raw(&mut self, message: Ws) {
        self.0.send(message).await.unwrap();
    }

    pub async fn say(&mut self, client_id: &str, text: &str) {
        self.send(json!({"type": "message", "client_id": client_id, "text": text}))
            .await;
    }

    /// The next frame.
    pub async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await.expect("the socket is open").unwrap() {
                Ws::Text(text) => return serde_json::from_str(&text).unwrap(),
                Ws::Close(close) => panic!("closed: {close:?}"),
                _ => {}
            }
        }
    }

    /// The next frame of this type; others are skipped.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The next lines, as (author, text).
    pub async fn lines(&mut self, count: usize) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        while lines.len() < count {
            lines.push(line(&self.until("message").await));
        }
        lines
    }

    pub async fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            match self.0.next().await {
                Some(Ok(Ws::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("broken instead of closed: {error}"),
                None => return None,
            }
        }
    }
}

pub fn line(frame: &Value) -> (String, String) {
    (
        frame["author"]["kind"].as_str().unwrap().to_owned(),
        frame["parts"][0]["text"].as_str().unwrap_or("").to_owned(),
    )
}
