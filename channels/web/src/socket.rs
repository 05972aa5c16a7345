//! The live connection. One task a socket and no queue: what has to be sent is read from the
//! transcript when there is room to send it, so a slow reader costs nothing but its own patience.

use std::{net::IpAddr, time::Duration};

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message as Ws, WebSocket},
    },
    response::{IntoResponse, Response},
};
use tandem_channel_kit::{Accepted, InboxError};
use tandem_domain::{
    ConversationId, LaneId, MessageId, Timestamp,
    bus::{Heard, Listener, Signal},
    message::{Delivery, Inbound},
    store::Message,
};
use tokio::time::{Instant, sleep_until, timeout};

use crate::{
    guard::Connection,
    http::{ApiError, BODY_MAX, PAGE, Peer, Web},
    inbound::{self, Frame, Refusal, Said},
    outbound,
    signature::Visitor,
};

/// Time for the first frame.
const HELLO: Duration = Duration::from_secs(10);
/// Silence after which we ask whether anyone is there; twice that and nobody is.
const IDLE: Duration = Duration::from_secs(30);
/// Longest that one frame may take to leave.
const SLOW: Duration = Duration::from_secs(10);
/// Pause in reading from somebody who writes too fast.
const CALM: Duration = Duration::from_millis(200);
/// The least time between two signs that the visitor is typing.
const TYPING: Duration = Duration::from_secs(1);

mod close {
    pub(super) const AWAY: u16 = 1001;
    pub(super) const UNSUPPORTED: u16 = 1003;
    pub(super) const POLICY: u16 = 1008;
    pub(super) const TOO_BIG: u16 = 1009;
    pub(super) const TRY_AGAIN: u16 = 1013;
    /// The token is not good: get another, don't just come back.
    pub(super) const TOKEN: u16 = 4401;
}

pub(crate) async fn upgrade(
    State(web): State<Web>,
    peer: Peer,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let Some(connection) = web.shared.guard.connect(peer.0) else {
        return ApiError::rate_limited(Duration::from_secs(10)).into_response();
    };
    upgrade
        // Many sockets are idle: what each one holds is what the process holds.
        .read_buffer_size(2 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(512 * 1024)
        // Larger than what is taken, so that a frame that is too long gets a proper goodbye.
        .max_message_size(2 * 1024 * 1024)
        .max_frame_size(2 * 1024 * 1024)
        .on_upgrade(move |socket| Box::pin(serve(web, socket, peer.0, connection)))
}

/// How a socket ends.
enum End {
    /// The other side is gone or does not read.
    Gone,
    Close(u16, &'static str),
}

async fn serve(web: Web, mut socket: WebSocket, address: Option<IpAddr>, connection: Connection) {
    let end = match greet(&web, &mut socket).await {
        Ok((visitor, after)) => {
            let lane = web.shared.lane(&visitor.id);
            let ear = web.inbox.listen(lane);
            let mut session = Session {
                web: &web,
                socket: &mut socket,
                visitor,
                address,
                lane,
                cursor: after,
                seen: None,
                calm_until: None,
                told_at: None,
                typed_at: None,
            };
            session.run(ear).await
        }
        Err(end) => end,
    };
    if let End::Close(code, reason) = end {
        let farewell = Ws::Close(Some(CloseFrame {
            code,
            reason: reason.into(),
        }));
        if timeout(SLOW, socket.send(farewell))
            .await
            .is_ok_and(|r| r.is_ok())
        {
            // Until the other side has said goodbye too, or does not.
            let _ = timeout(Duration::from_secs(2), async {
                while let Some(Ok(_)) = socket.recv().await {}
            })
            .await;
        }
    }
    drop(connection);
}

async fn greet(web: &Web, socket: &mut WebSocket) -> Result<(Visitor, Option<MessageId>), End> {
    let first = web.shared.stop.or(timeout(HELLO, socket.recv())).await;
    let text = match first {
        None => return Err(End::Close(close::AWAY, "shutting down")),
        Some(Err(_)) => return Err(End::Close(close::POLICY, "no hello")),
        Some(Ok(Some(Ok(Ws::Text(text))))) if text.len() <= BODY_MAX => text,
        Some(Ok(Some(Ok(Ws::Text(_) | Ws::Binary(_))))) => {
            return Err(End::Close(close::TOO_BIG, "too big"));
        }
        Some(Ok(_)) => return Err(End::Gone),
    };
    let Ok(Frame::Hello { token, after }) = inbound::frame(&text) else {
        return Err(End::Close(close::POLICY, "hello first"));
    };
    let visitor = web
        .shared
        .keys
        .visitor(&token, web.shared.now())
        .map_err(|_| End::Close(close::TOKEN, "token refused"))?;
    Ok((visitor, after.and_then(|id| id.parse().ok())))
}

struct Session<'a> {
    web: &'a Web,
    socket: &'a mut WebSocket,
    visitor: Visitor,
    address: Option<IpAddr>,
    lane: LaneId,
    /// The last line that was sent, or that the widget had.
    cursor: Option<MessageId>,
    /// The same as conversation and number, to know a signal that says nothing new.
    seen: Option<(ConversationId, u64)>,
    /// Nothing is read before this.
    calm_until: Option<Instant>,
    /// When the visitor was last told that they are too fast.
    told_at: Option<Instant>,
    typed_at: Option<Instant>,
}

impl Session<'_> {
    async fn run(&mut self, mut ear: Box<dyn Listener>) -> End {
        match self.talk(ear.as_mut()).await {
            Err(end) => end,
            Ok(()) => End::Gone,
        }
    }

    async fn talk(&mut self, ear: &mut dyn Listener) -> Result<(), End> {
        let token = self.renewed();
        let visitor = self.visitor.clone();
        self.send(&outbound::Frame::Ready {
            visitor: &visitor.id,
            user: visitor.user.as_deref(),
            token,
        })
        .await?;
        self.catch_up().await?;
        self.send(&outbound::Frame::Synced).await?;

        let stop = self.web.shared.stop.clone();
        let mut heard_at = Instant::now();
        let mut asked = false;
        loop {
            let calm_until = self.calm_until;
            let deadline = heard_at + IDLE;
            tokio::select! {
                frame = async {
                    if let Some(until) = calm_until {
                        sleep_until(until).await;
                    }
                    self.socket.recv().await
                } => {
                    self.calm_until = None;
                    heard_at = Instant::now();
                    asked = false;
                    match frame {
                        None | Some(Ok(Ws::Close(_))) => return Ok(()),
                        Some(Ok(Ws::Text(text))) if text.len() > BODY_MAX => {
                            return Err(End::Close(close::TOO_BIG, "too big"));
                        }
                        Some(Ok(Ws::Text(text))) => self.take(&text).await?,
                        Some(Ok(Ws::Binary(data))) if data.len() > BODY_MAX => {
                            return Err(End::Close(close::TOO_BIG, "too big"));
                        }
                        Some(Ok(Ws::Binary(_))) => {
                            return Err(End::Close(close::UNSUPPORTED, "text frames only"));
                        }
                        Some(Ok(Ws::Ping(_) | Ws::Pong(_))) => {}
                        // Not readable past this point: a frame beyond every limit, or no
                        // WebSocket at all.
                        Some(Err(_)) => return Err(self.broken().await),
                    }
                }
                heard = ear.next() => match heard {
                    Heard::Signal(Signal::Transcript { conversation, seq, .. }) => {
                        let news = self.seen.is_none_or(|(c, s)| c != conversation || s < seq);
                        if news {
                            self.catch_up().await?;
                        }
                    }
                    Heard::Signal(Signal::Typing { agent: true, .. }) => {
                        self.send(&outbound::Frame::Typing).await?;
                    }
                    Heard::Signal(_) => {}
                    Heard::Missed => self.catch_up().await?,
                    Heard::Closed => return Err(End::Close(close::AWAY, "shutting down")),
                },
                () = sleep_until(deadline) => {
                    if asked {
                        return Ok(());
                    }
                    asked = true;
                    heard_at = Instant::now();
                    self.write(Ws::Ping(bytes::Bytes::new())).await?;
                }
                () = stop.stopped() => {
                    return Err(End::Close(close::AWAY, "shutting down"));
                }
            }
        }
    }

    /// Says why before hanging up on something that cannot be read; nothing more is read, so the
    /// goodbye is all there is.
    async fn broken(&mut self) -> End {
        let farewell = Ws::Close(Some(CloseFrame {
            code: close::TOO_BIG,
            reason: "not readable".into(),
        }));
        let _ = timeout(SLOW, self.socket.send(farewell)).await;
        End::Gone
    }

    async fn take(&mut self, text: &str) -> Result<(), End> {
        let frame = match inbound::frame(text) {
            Ok(frame) => frame,
            Err(refusal) => return self.refuse(refusal, None).await,
        };
        match frame {
            Frame::Hello { .. } => self.refuse(Refusal::BadFrame, None).await,
            Frame::Ping => self.send(&outbound::Frame::Pong).await,
            Frame::Message(said) => self.said(said).await,
            Frame::Action(pressed) => self.said(pressed.into()).await,
            Frame::Typing => {
                let now = Instant::now();
                if self.typed_at.is_none_or(|at| now - at >= TYPING) {
                    self.typed_at = Some(now);
                    self.web.inbox.typing(self.lane, false);
                }
                Ok(())
            }
            Frame::Page(page) => {
                if !self.allowed(None).await? {
                    return Ok(());
                }
                match self.web.shared.decoder(&self.visitor).page(&page) {
                    Ok(event) => self.accept(event, None).await,
                    Err(refusal) => self.refuse(refusal, None).await,
                }
            }
            Frame::Read { id } => {
                if !self.allowed(None).await? {
                    return Ok(());
                }
                let Ok(id) = id.parse::<MessageId>() else {
                    return self.refuse(Refusal::BadFrame, None).await;
                };
                if let Err(error) = self.web.inbox.receipt(self.lane, id, Delivery::Read).await {
                    tracing::debug!(%error, "A read receipt was not recorded.");
                }
                Ok(())
            }
        }
    }

    async fn said(&mut self, said: Said) -> Result<(), End> {
        let client_id = said.client_id.clone();
        if !self.allowed(Some(&client_id)).await? {
            return Ok(());
        }
        match self.web.shared.decoder(&self.visitor).said(said) {
            Ok(event) => self.accept(event, Some(&client_id)).await,
            Err(refusal) => self.refuse(refusal, Some(&client_id)).await,
        }
    }

    async fn accept(&mut self, event: Inbound, client_id: Option<&str>) -> Result<(), End> {
        let accepted = match self.web.inbox.accept(vec![event]).await {
            Ok(accepted) => accepted.first().copied(),
            Err(error) => return self.not_taken(&error, client_id).await,
        };
        let Some(client_id) = client_id else {
            return Ok(());
        };
        let (id, duplicate) = match accepted {
            Some(Accepted::New(id)) => (id, false),
            Some(Accepted::Duplicate(id)) => (id, true),
            Some(Accepted::Skipped) | None => {
                return self.refuse(Refusal::Empty, Some(client_id)).await;
            }
        };
        self.send(&outbound::Frame::Ack {
            client_id,
            id,
            duplicate,
        })
        .await
    }

    /// Sends every line after the cursor.
    async fn catch_up(&mut self) -> Result<(), End> {
        loop {
            let lines = self
                .web
                .inbox
                .transcript(self.lane, self.cursor, PAGE)
                .await
                .map_err(|error| {
                    tracing::warn!(%error, "A transcript could not be read; the visitor reconnects.");
                    End::Close(close::TRY_AGAIN, "try again")
                })?;
            for line in &lines {
                self.line(line).await?;
            }
            if lines.len() < PAGE {
                return Ok(());
            }
        }
    }

    async fn line(&mut self, message: &Message) -> Result<(), End> {
        let line = self.web.shared.line(&self.visitor.id, message);
        let text = json(&outbound::Frame::Message(line));
        self.write(Ws::Text(text.into())).await?;
        self.cursor = Some(message.id);
        self.seen = Some((message.conversation, message.seq));
        Ok(())
    }

    /// May one more be taken now? Says so at most now and then, and stops reading for a moment:
    /// whoever writes too fast sends what was not acknowledged again.
    async fn allowed(&mut self, client_id: Option<&str>) -> Result<bool, End> {
        let guard = &self.web.shared.guard;
        let Err(wait) = guard.message(&self.visitor.id, self.address) else {
            return Ok(true);
        };
        let now = Instant::now();
        self.calm_until = Some(now + CALM);
        if self.told_at.is_none_or(|at| now - at >= CALM) {
            self.told_at = Some(now);
            self.send(&outbound::Frame::Error {
                code: "rate_limited",
                message: "too many at once; wait a moment".to_owned(),
                client_id,
                retry_after_ms: Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
            })
            .await?;
        }
        Ok(false)
    }

    async fn refuse(&mut self, refusal: Refusal, client_id: Option<&str>) -> Result<(), End> {
        // Nonsense costs as much as a message, so that it cannot be poured in.
        if client_id.is_none() && !self.allowed(None).await? {
            return Ok(());
        }
        self.send(&outbound::Frame::Error {
            code: refusal.code(),
            message: refusal.to_string(),
            client_id,
            retry_after_ms: None,
        })
        .await
    }

    async fn not_taken(&mut self, error: &InboxError, client_id: Option<&str>) -> Result<(), End> {
        let (code, message, retry_after_ms) = match error {
            InboxError::Invalid(_) | InboxError::TooLarge { .. } => {
                ("bad_request", error.to_string(), None)
            }
            InboxError::Unavailable(_) | InboxError::Full(_) | InboxError::Failed(_) => {
                tracing::error!(%error, "The web channel could not reach its inbox.");
                let message = "the message could not be taken; try again in a moment";
                ("unavailable", message.to_owned(), Some(1000))
            }
        };
        self.send(&outbound::Frame::Error {
            code,
            message,
            client_id,
            retry_after_ms,
        })
        .await
    }

    /// A fresh token, when the one shown is past half its time.
    fn renewed(&self) -> Option<String> {
        let shared = &self.web.shared;
        let life = Duration::from_secs(u64::from(shared.config.token_days) * 86_400);
        let now = shared.now();
        if self.visitor.expires_at.since(now) > life / 2 {
            return None;
        }
        let expires_at: Timestamp = now + life;
        Some(shared.keys.visitor_token(&Visitor {
            expires_at,
            ..self.visitor.clone()
        }))
    }

    async fn send(&mut self, frame: &outbound::Frame<'_>) -> Result<(), End> {
        self.write(Ws::Text(json(frame).into())).await
    }

    async fn write(&mut self, message: Ws) -> Result<(), End> {
        match timeout(SLOW, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            // Broken, or a reader too slow to wait for: it reconnects and reads on.
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}

fn json(frame: &outbound::Frame<'_>) -> String {
    serde_json::to_string(frame).expect("plain structs serialise")
}
