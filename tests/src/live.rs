//! A customer's WebSocket.

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{ClientRequestBuilder, Message, http::Uri},
};

/// Longest wait for a frame.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Live {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Live {
    /// Opens a socket and says nothing yet.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        Self::connect_from(url, None).await
    }

    /// The same as a page of this origin.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn connect_from(url: &str, origin: Option<&str>) -> anyhow::Result<Self> {
        let uri: Uri = format!("{}/web/web/socket", url.replacen("http", "ws", 1)).parse()?;
        let mut request = ClientRequestBuilder::new(uri);
        if let Some(origin) = origin {
            request = request.with_header("origin", origin);
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Self { socket })
    }

    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, frame: &Value) -> anyhow::Result<()> {
        self.send_raw(Message::text(frame.to_string())).await
    }

    /// # Errors
    /// When the connection is gone.
    pub async fn send_raw(&mut self, message: Message) -> anyhow::Result<()> {
        Ok(self.socket.send(message).await?)
    }

    /// The next frame that is JSON.
    ///
    /// # Errors
    /// When the server hangs up, or says nothing for long.
    pub async fn frame(&mut self) -> anyhow::Result<Value> {
        loop {
            match self.next().await? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Close(frame) => bail!("the server hung up: {frame:?}"),
                _ => {}
            }
        }
    }

    /// The next frame of this type; those before it are dropped.
    ///
    /// # Errors
    /// As [`frame`](Self::frame).
    pub async fn until(&mut self, kind: &str) -> anyhow::Result<Value> {
        loop {
            let frame = self.frame().await?;
            if frame["type"] == kind {
                return Ok(frame);
            }
        }
    }

    /// The code with which the server hangs up.
    ///
    /// # Errors
    /// When it says no goodbye.
    pub async fn closed(&mut self) -> anyhow::Result<u16> {
        loop {
            if let Message::Close(frame) = self.next().await? {
                return Ok(frame.context("a goodbye without a reason")?.code.into());
            }
        }
    }

    async fn next(&mut self) -> anyhow::Result<Message> {
        let message = timeout(PATIENCE, self.socket.next())
            .await
            .context("no frame came")?
            .context("the connection ended without a goodbye")?;
        Ok(message?)
    }
}
