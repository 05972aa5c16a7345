//! The gateway of the fake.

use std::{sync::Arc, time::Duration};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tandem_domain::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_async,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use super::{APPLICATION, BOT, CHANNEL, GUILD, OWN, Session, THREAD, TOKEN, World};

/// Milliseconds between heartbeats: often, so that a test soon knows how far the bot has come.
const BEAT: u64 = 50;
/// How long a bot may take to say who it is.
const SAYS: Duration = Duration::from_secs(20);

type Socket = WebSocketStream<TcpStream>;

pub(super) async fn serve(listener: TcpListener, world: Arc<World>) {
    while let Some(Ok((stream, _))) = world.stop.or(listener.accept()).await {
        let world = world.clone();
        tokio::spawn(async move {
            let stop = world.stop.clone();
            // Ends with an error where the bot went away; that is its business.
            let _ = stop.or(connection(stream, world)).await;
        });
    }
}

async fn connection(
    stream: TcpStream,
    world: Arc<World>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut changed = world.changed.subscribe();
    let broken = world.lock().broken.0;
    let mut socket = accept_async(stream).await?;
    send(
        &mut socket,
        &json!({"op": 10, "d": {"heartbeat_interval": BEAT}}),
    )
    .await?;
    let (id, mut at) = loop {
        let Some(Ok(message)) = timeout(SAYS, socket.next()).await? else {
            return Ok(());
        };
        let frame: Value =
            serde_json::from_str(message.to_text().unwrap_or_default()).unwrap_or_default();
        match frame["op"].as_u64() {
            Some(1) => send(&mut socket, &json!({"op": 11})).await?,
            Some(2 | 6) if frame["d"]["token"] != TOKEN => {
                return close(&mut socket, 4004).await;
            }
            Some(2) => break world.begin(&frame["d"]),
            Some(6) => match world.take_up(&frame["d"]) {
                Some(begun) => break begun,
                None => {
                    send(&mut socket, &json!({"op": 9, "d": false})).await?;
                    return close(&mut socket, 1000).await;
                }
            },
            _ => {}
        }
    };
    world.tell();
    loop {
        let (frames, now) = {
            let inner = world.lock();
            let session = inner.sessions.iter().find(|session| session.id == id);
            let frames = session.map(|s| s.frames[at.min(s.frames.len())..].to_vec());
            (frames.unwrap_or_default(), inner.broken)
        };
        if now.0 != broken {
            return match now.1 {
                Some(code) => close(&mut socket, code).await,
                None => Ok(()),
            };
        }
        for frame in frames.iter().take(64) {
            socket.feed(Message::text(&**frame)).await?;
            at += 1;
        }
        socket.flush().await?;
        // More is waiting; but look first whether the bot says something.
        let more = frames.len() > 64;
        tokio::select! {
            biased;
            said = socket.next() => {
                let Some(said) = said else { return Ok(()) };
                let frame: Value = serde_json::from_str(said?.to_text().unwrap_or_default())
                    .unwrap_or_default();
                if frame["op"] == 1 {
                    world.confirm(&id, frame["d"].as_u64().unwrap_or(0));
                    send(&mut socket, &json!({"op": 11})).await?;
                }
            }
            () = std::future::ready(()), if more => {}
            _ = changed.changed() => {}
        }
    }
}

async fn send(
    socket: &mut Socket,
    frame: &Value,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    socket.send(Message::text(frame.to_string())).await
}

async fn close(
    socket: &mut Socket,
    code: u16,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let frame = CloseFrame {
        code: CloseCode::from(code),
        reason: "".into(),
    };
    Ok(socket.close(Some(frame)).await?)
}

impl World {
    fn begin(&self, identify: &Value) -> (String, usize) {
        let mut inner = self.lock();
        let intents = identify["intents"].as_u64().unwrap_or(0);
        inner.intents.push(intents);
        let mut session = Session {
            id: format!("session-{}", inner.sessions.len()),
            frames: Vec::new(),
            confirmed: 0,
            known: true,
        };
        session.push(
            "READY",
            &json!({
                "v": 10, "session_id": session.id, "resume_gateway_url": self.gateway,
                "user": {"id": BOT, "username": "tandem", "bot": true, "global_name": null},
                "application": {"id": APPLICATION, "flags": 0},
                "guilds": [{"id": GUILD, "unavailable": true}],
            }),
        );
        let channel = |id, kind: u8, parent: Value| {
            let last = inner.messages.get(&id).and_then(|all| all.last());
            json!({
                "id": id, "type": kind, "parent_id": parent,
                "last_message_id": last.map(|message| message["id"].clone()),
            })
        };
        session.push(
            "GUILD_CREATE",
            &json!({
                "id": GUILD, "name": "shop",
                "channels": [channel(CHANNEL, 0, Value::Null), channel(OWN, 0, Value::Null)],
                "threads": [channel(THREAD, 11, json!(OWN))],
            }),
        );
        let id = session.id.clone();
        // A bot has one session: what the last one was is over.
        inner
            .sessions
            .iter_mut()
            .for_each(|session| session.known = false);
        inner.sessions.push(session);
        (id, 0)
    }

    fn take_up(&self, resume: &Value) -> Option<(String, usize)> {
        let mut inner = self.lock();
        let seq = usize::try_from(resume["seq"].as_u64()?).ok()?;
        let session = inner
            .sessions
            .iter_mut()
            .find(|session| session.known && resume["session_id"] == session.id.as_str())?;
        if seq > session.frames.len() {
            return None;
        }
        session.push("RESUMED", &json!({}));
        session.confirmed = seq as u64;
        Some((session.id.clone(), seq))
    }

    fn confirm(&self, id: &str, seq: u64) {
        let mut inner = self.lock();
        if let Some(session) = inner.sessions.iter_mut().find(|session| session.id == id) {
            session.confirmed = seq;
        }
        drop(inner);
        self.tell();
    }
}
