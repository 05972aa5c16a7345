//! The connection to the gateway: one task that reads, keeps the connection alive and works off what
//! came, in its order.
//!
//! What it tells Discord of how far it has come, in heartbeats and when it takes a session up again,
//! is what is committed, never what was only read. So whatever breaks, here or there, Discord plays
//! again what the inbox does not have.

mod history;
mod socket;
mod work;

use std::{collections::VecDeque, pin::pin, sync::Arc, time::Duration};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Fuse, FusedFuture as _},
};
use serde_json::json;
use serenity::{
    constants::{Opcode, close_codes},
    model::gateway::GatewayIntents,
};
use tandem_channel_kit::{ChannelError, Health, Inbox, Stop};
use tandem_domain::{BoxError, Value};
use tokio::time::{Instant, sleep_until, timeout};

use crate::{
    channel::Hub,
    native::{Event, Frame},
};
use socket::{Came, Socket};
use work::{Acks, Item, What};

/// Events read ahead of what is committed. What is more waits at Discord's side.
const AHEAD: usize = 1000;
/// Events committed at once.
const BATCH: usize = 200;
/// How long the gateway may take to say hello.
const HELLO: Duration = Duration::from_secs(20);
/// Pauses between heartbeats that are believed.
const BEAT_MIN: u64 = 10;
const BEAT_MAX: u64 = 600_000;
/// How much later than what it tells of the state is written at most.
const WRITTEN_AFTER: Duration = Duration::from_secs(1);
/// How long what was read is still worked off when the connection ends, or the server.
const FINISH: Duration = Duration::from_secs(30);
const FINISH_STOPPED: Duration = Duration::from_secs(3);
/// Pauses between connections that break, growing to the second.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(30)];
/// Discord asks for a pause before a session is begun anew.
const ANEW: std::ops::Range<u64> = 1000..5000;

/// What the bot wants to hear: servers, messages and reactions in them and alone, and, where it has
/// channels of its own, what is written there without naming it.
const INTENTS: GatewayIntents = GatewayIntents::GUILDS
    .union(GatewayIntents::GUILD_MESSAGES)
    .union(GatewayIntents::GUILD_MESSAGE_REACTIONS)
    .union(GatewayIntents::DIRECT_MESSAGES)
    .union(GatewayIntents::DIRECT_MESSAGE_REACTIONS);

/// How a connection ended.
enum End {
    Stopped,
    /// It broke or was ended; `worked`: after it had been good.
    Broke {
        why: String,
        worked: bool,
    },
    /// Discord no longer knows the session.
    Forgotten,
}

/// Receives until stopped.
pub(crate) async fn run(hub: &Arc<Hub>, inbox: &Inbox, stop: &Stop) -> Result<(), ChannelError> {
    hub.load().await?;
    {
        let made_for = hub.made_for(intents(hub));
        let mut state = hub.state();
        // Another token, or other channels to hear: the last session does not serve.
        state.session = state.session.take().filter(|s| s.made_for == made_for);
    }
    let mut pause = PAUSES[0];
    loop {
        let begun = Instant::now();
        let ended = connection(hub, inbox, stop).await;
        save(hub).await;
        if begun.elapsed() > PAUSES[1] {
            pause = PAUSES[0];
        }
        match ended? {
            End::Stopped => return Ok(()),
            End::Broke { why, worked } => {
                hub.set_health(Health::Degraded(why.clone()));
                if !worked {
                    // Whoever runs us knows how long to wait.
                    return Err(ChannelError::Lost(why.into()));
                }
                tracing::info!(account = %hub.account.id, why, "The gateway's connection ended and is made anew.");
                if stop.or(tokio::time::sleep(pause)).await.is_none() {
                    return Ok(());
                }
                pause = (pause * 2).min(PAUSES[1]);
            }
            End::Forgotten => {
                tracing::info!(account = %hub.account.id, "The gateway's session is over; a new one begins and what was written meanwhile is fetched.");
                hub.state().session = None;
                let pause = Duration::from_millis(fastrand::u64(ANEW));
                if stop.or(tokio::time::sleep(pause)).await.is_none() {
                    return Ok(());
                }
            }
        }
    }
}

fn intents(hub: &Hub) -> u64 {
    match hub.channels().is_empty() {
        true => INTENTS.bits(),
        false => (INTENTS | GatewayIntents::MESSAGE_CONTENT).bits(),
    }
}

async fn connection(hub: &Arc<Hub>, inbox: &Inbox, stop: &Stop) -> Result<End, ChannelError> {
    let opened = stop.or(open(hub)).await;
    let Some(opened) = opened else {
        return Ok(End::Stopped);
    };
    let (socket, beat) = opened?;
    let mut connection = Connection::new(hub, inbox, socket, beat);
    let broke = |error: BoxError| End::Broke {
        why: error.to_string(),
        worked: false,
    };
    if let Err(error) = connection.begin().await {
        return Ok(broke(error));
    }
    let end = connection.listen(stop).await;
    let limit = match stop.is_stopped() {
        true => FINISH_STOPPED,
        false => FINISH,
    };
    // What came is worth more than a moment: where the session is over, it does not come again.
    let finished = timeout(limit, connection.finish()).await;
    connection.socket.close().await;
    if let Ok(Err(error)) = finished {
        return Err(error);
    }
    end
}

/// A socket that has said hello, and how often it wants to hear from us.
async fn open(hub: &Hub) -> Result<(Socket, Duration), ChannelError> {
    let lost = |error: BoxError| ChannelError::Lost(error);
    let session = hub.state().session.clone();
    let http = hub.api.http();
    let taken_up = match &session {
        Some(session) => Socket::open(http, &session.url).await.ok(),
        None => None,
    };
    let mut socket = match taken_up {
        Some(socket) => socket,
        None => {
            let gateway = hub.api.gateway().await.map_err(|fault| fault.lost())?;
            let starts = gateway.session_start_limit.as_ref();
            if let Some(starts) = starts.filter(|s| s.remaining == 0 && session.is_none()) {
                let wait = Duration::from_millis(starts.reset_after);
                return Err(lost(
                    format!("Discord lets no session begin for {wait:?}: too many were begun")
                        .into(),
                ));
            }
            Socket::open(http, &gateway.url).await.map_err(lost)?
        }
    };
    let hello = timeout(HELLO, socket.next()).await;
    let hello = match hello {
        Ok(Came::Text(text)) => serde_json::from_str::<Frame>(&text).ok(),
        Ok(Came::Closed(code, why)) => {
            closed(code, why, false)?;
            None
        }
        Err(_) => None,
    };
    let hello = hello.filter(|frame| frame.op == Opcode::Hello);
    let interval = hello.and_then(|frame| frame.d.get("heartbeat_interval")?.as_u64());
    let Some(interval) = interval else {
        return Err(lost("the gateway did not say hello".into()));
    };
    Ok((
        socket,
        Duration::from_millis(interval.clamp(BEAT_MIN, BEAT_MAX)),
    ))
}

struct Connection<'a> {
    hub: &'a Arc<Hub>,
    inbox: &'a Inbox,
    socket: Socket,
    beat: Duration,
    next_beat: Instant,
    /// Whether the last heartbeat was answered.
    answered: bool,
    /// Whether everything was read since: where our own queue was full, an answer may lie unread.
    reading: bool,
    ready: bool,
    /// Something of what was read could not be worked off: what follows it waits for the next
    /// connection, which plays it all again.
    failed: bool,
    queue: VecDeque<Item>,
    work: Fuse<BoxFuture<'static, Result<(), ChannelError>>>,
    acks: Acks,
    write_at: Option<Instant>,
}

impl<'a> Connection<'a> {
    fn new(hub: &'a Arc<Hub>, inbox: &'a Inbox, socket: Socket, beat: Duration) -> Self {
        Self {
            hub,
            inbox,
            socket,
            beat,
            // Many that begin together don't beat together.
            next_beat: Instant::now() + beat.mul_f64(fastrand::f64()),
            answered: true,
            reading: true,
            ready: false,
            failed: false,
            queue: VecDeque::new(),
            work: Fuse::terminated(),
            acks: Acks::default(),
            write_at: None,
        }
    }

    /// Takes the last session up, or begins one.
    async fn begin(&mut self) -> Result<(), BoxError> {
        let token = self.hub.settings.token.expose().trim();
        let session = self.hub.state().session.clone();
        match session {
            Some(session) => {
                let resume = json!({"token": token, "session_id": session.id, "seq": session.seq});
                self.socket.send(Opcode::Resume, &resume).await
            }
            None => {
                let properties = json!({
                    "os": std::env::consts::OS, "browser": "tandem", "device": "tandem",
                });
                let identify = json!({
                    "token": token, "intents": intents(self.hub), "properties": properties,
                });
                self.socket.send(Opcode::Identify, &identify).await
            }
        }
    }

    async fn listen(&mut self, stop: &Stop) -> Result<End, ChannelError> {
        let mut stopped = pin!(stop.stopped());
        loop {
            self.start_work();
            let full = self.queue.len() >= AHEAD;
            self.reading &= !full;
            let write_at = self.write_at.unwrap_or(self.next_beat);
            tokio::select! {
                () = &mut stopped => return Ok(End::Stopped),
                () = sleep_until(self.next_beat) => {
                    if !self.answered && self.reading {
                        return Ok(self.broke("the gateway answers no heartbeats"));
                    }
                    if let Err(error) = self.heartbeat().await {
                        return Ok(self.broke(&error.to_string()));
                    }
                    self.next_beat = Instant::now() + self.beat;
                }
                () = sleep_until(write_at), if self.write_at.is_some() => {
                    self.write_at = None;
                    save(self.hub).await;
                }
                done = &mut self.work, if !self.work.is_terminated() => {
                    self.failed = done.is_err();
                    done?;
                    self.write_at.get_or_insert_with(|| Instant::now() + WRITTEN_AFTER);
                }
                came = self.socket.next(), if !full => {
                    if let Some(end) = self.came(came).await? {
                        return Ok(end);
                    }
                }
            }
        }
    }

    async fn came(&mut self, came: Came) -> Result<Option<End>, ChannelError> {
        let text = match came {
            Came::Text(text) => text,
            Came::Closed(code, why) => return closed(code, why, self.ready).map(Some),
        };
        let frame: Frame = match serde_json::from_str(&text) {
            Ok(frame) => frame,
            Err(error) => {
                self.queue.push_back(Item::unread(None, &error, text));
                return Ok(None);
            }
        };
        match frame.op {
            Opcode::Dispatch => self.dispatched(frame, text),
            Opcode::Heartbeat => {
                if let Err(error) = self.heartbeat().await {
                    return Ok(Some(self.broke(&error.to_string())));
                }
            }
            Opcode::HeartbeatAck => self.answered = true,
            Opcode::Reconnect => return Ok(Some(self.broke("Discord asks for a new connection"))),
            Opcode::InvalidSession => {
                return Ok(Some(match frame.d.as_bool() {
                    Some(true) => self.broke("Discord asks to take the session up again"),
                    _ => End::Forgotten,
                }));
            }
            _ => {}
        }
        Ok(None)
    }

    fn dispatched(&mut self, frame: Frame, text: String) {
        let name = frame.t.unwrap_or_default();
        let item = match Event::read(&name, frame.d) {
            Ok(event) => {
                if matches!(event, Event::Ready(_) | Event::Resumed) {
                    self.ready = true;
                    self.hub.set_health(Health::Good);
                }
                if let Event::Interaction(asked) = &event {
                    // Its three seconds run, whatever waits before it.
                    self.acks.begin(self.hub, asked);
                }
                Item {
                    seq: frame.s,
                    what: What::Event(event),
                }
            }
            Err(error) => Item::unread(frame.s, &error, text),
        };
        self.queue.push_back(item);
    }

    async fn heartbeat(&mut self) -> Result<(), BoxError> {
        let seq = self.hub.state().session.as_ref().map(|session| session.seq);
        self.answered = false;
        self.reading = true;
        self.socket.send(Opcode::Heartbeat, &Value::from(seq)).await
    }

    fn start_work(&mut self) {
        if !self.work.is_terminated() || self.queue.is_empty() {
            return;
        }
        let items = self.queue.drain(..self.queue.len().min(BATCH)).collect();
        let acks = self.acks.take();
        let work = work::run(self.hub.clone(), self.inbox.clone(), items, acks);
        self.work = work.boxed().fuse();
    }

    /// Works off what was read.
    async fn finish(&mut self) -> Result<(), ChannelError> {
        while !self.failed {
            self.start_work();
            if self.work.is_terminated() {
                return Ok(());
            }
            (&mut self.work).await?;
        }
        Ok(())
    }

    fn broke(&self, why: &str) -> End {
        End::Broke {
            why: why.to_owned(),
            worked: self.ready,
        }
    }
}

/// What a close code means.
fn closed(code: Option<u16>, why: String, worked: bool) -> Result<End, ChannelError> {
    let config = |why: &str| Err(ChannelError::Config(why.to_owned()));
    match code {
        Some(close_codes::AUTHENTICATION_FAILED) => Err(ChannelError::Unauthorized(
            "Discord does not know the bot's token (close code 4004); reset it at the bot's page and copy the new one".to_owned(),
        )),
        Some(close_codes::DISALLOWED_GATEWAY_INTENTS) => config(
            "Discord does not let the bot read messages that do not name it (close code 4014): at https://discord.com/developers/applications open the application, Bot, and switch Message Content Intent on; or take `channels` out of the configuration",
        ),
        Some(close_codes::INVALID_GATEWAY_INTENTS) => config("Discord does not know what the bot asks to hear (close code 4013): this version of Tandem is too old"),
        Some(4012) => config("Discord no longer speaks this version of its gateway (close code 4012): this version of Tandem is too old"),
        Some(close_codes::INVALID_SHARD | close_codes::SHARDING_REQUIRED) => config("the bot is in more servers than one connection serves (close code 4011): this version of Tandem makes one"),
        // A sequence it does not know, or a session that timed out.
        Some(
            close_codes::NOT_AUTHENTICATED
            | close_codes::INVALID_SEQUENCE
            | close_codes::SESSION_TIMEOUT,
        ) => Ok(End::Forgotten),
        Some(code) => Ok(End::Broke {
            why: format!("the gateway closed with {code} {why}"),
            worked,
        }),
        None => Ok(End::Broke { why, worked }),
    }
}

async fn save(hub: &Arc<Hub>) {
    let (state, path) = (hub.state().clone(), hub.file.clone());
    let saved = tokio::task::spawn_blocking(move || state.save(&path)).await;
    if let Err(error) = saved.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
        tracing::warn!(path = %hub.file.display(), %error, "How far Discord was read cannot be written; after a restart some of it is read again.");
    }
}
