//! The gateway's WebSocket, over the connections that all other calls use.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use reqwest::{
    StatusCode, Upgraded,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
};
use serenity::constants::Opcode;
use tandem_domain::{BoxError, Value};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error as WsError, Message,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use crate::fault::told;

/// Largest frame: a server with thousands of channels is a few megabytes.
const FRAME_MAX: usize = 32 << 20;
/// How long a frame may take to leave.
const WRITE: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(20);

pub(super) struct Socket(WebSocketStream<Upgraded>);

/// What came.
#[derive(Debug)]
pub(super) enum Came {
    Text(String),
    /// The other side closed, with its reason, or the connection broke.
    Closed(Option<u16>, String),
}

impl Socket {
    /// Connects to `wss://…`.
    pub async fn open(http: &reqwest::Client, url: &str) -> Result<Self, BoxError> {
        let opened = tokio::time::timeout(CONNECT, Self::upgrade(http, url)).await;
        opened.map_err(|_| format!("the gateway did not answer within {CONNECT:?}"))?
    }

    async fn upgrade(http: &reqwest::Client, url: &str) -> Result<Self, BoxError> {
        let mut address = reqwest::Url::parse(&url.replacen("ws", "http", 1))?;
        if !url.starts_with("ws") {
            return Err("the gateway's address is none of a WebSocket".into());
        }
        address.set_query(Some("v=10&encoding=json"));
        let key = generate_key();
        let request = http
            .get(address)
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, &key);
        let response = request.send().await.map_err(told)?;
        let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT);
        let expected = derive_accept_key(key.as_bytes());
        if response.status() != StatusCode::SWITCHING_PROTOCOLS
            || accepted.is_none_or(|value| value.as_bytes() != expected.as_bytes())
        {
            let status = response.status();
            return Err(format!("the gateway answered {status} and opened no WebSocket").into());
        }
        let stream = response.upgrade().await.map_err(told)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(FRAME_MAX))
            .max_frame_size(Some(FRAME_MAX));
        let socket = WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await;
        Ok(Self(socket))
    }

    /// The next frame. Loses nothing when it is dropped half-way.
    pub async fn next(&mut self) -> Came {
        loop {
            return match self.0.next().await {
                Some(Ok(Message::Text(text))) => Came::Text(text.as_str().to_owned()),
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    Came::Closed(Some(code.into()), reason.as_str().to_owned())
                }
                Some(Ok(Message::Close(None))) | None => {
                    Came::Closed(None, "the connection ended".to_owned())
                }
                // Pings are answered underneath; nothing binary was asked for.
                Some(Ok(_)) => continue,
                Some(Err(error)) => Came::Closed(None, error.to_string()),
            };
        }
    }

    pub async fn send(&mut self, op: Opcode, data: &Value) -> Result<(), BoxError> {
        let text = serde_json::json!({"op": op, "d": data}).to_string();
        let sent = tokio::time::timeout(WRITE, self.0.send(Message::text(text))).await;
        let sent = sent.map_err(|_| "the gateway takes nothing any more")?;
        Ok(sent?)
    }

    /// Closes with a code that leaves the session open for us to take up.
    pub async fn close(mut self) {
        let frame = CloseFrame {
            code: CloseCode::from(4000),
            reason: "".into(),
        };
        let closing = self.0.close(Some(frame));
        let Ok(Err(error)) = tokio::time::timeout(WRITE, closing).await else {
            return;
        };
        if !matches!(error, WsError::ConnectionClosed | WsError::AlreadyClosed) {
            tracing::debug!(%error, "The gateway's connection did not close cleanly.");
        }
    }
}
