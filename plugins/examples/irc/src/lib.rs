//! IRC as a channel: private messages, and words in channels that name the bot.
//!
//! ```yaml
//! plugins:
//!   irc: {path: libtandem_irc.so, kinds: [channel]}
//! channels:
//!   irc:
//!     plugin: irc
//!     accounts:
//!       libera: {server: irc.libera.chat, nick: shopbot, channels: ["#shop"], sasl: {env: IRC_PASSWORD}}
//! ```
//!
//! * [`line`] – lines of the protocol;
//! * [`talk`] – which words are meant for us, and whose they are;
//! * [`session`] – one connection, from its greeting to its end;
//! * [`settings`] – one account's settings;
//! * `tls` – whom a connection trusts.
//!
//! The protocol confirms nothing, so each message is followed by a `PING`: a server works off lines
//! in their order, and its `PONG` says that the message was taken, or an error before it that it was
//! not.

pub mod line;
pub mod session;
pub mod settings;
pub mod talk;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::json;
use tandem_plugin_sdk::{
    About, Channel, Error, Host, HostError, Meta, Plugin, SendError, Stop, export_plugin,
    runtime::Runtime,
    wire::{Capabilities, Inbound, Outbound, Receipt, SendOp},
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use session::{Ends, Job, Progress, Session, Wire};
use settings::Settings;

/// Bytes of a message, before it is cut into lines.
const TEXT: usize = 1200;
/// Messages that wait for the connection.
const JOBS: usize = 64;
/// Events that wait to be committed; then the server waits with them.
const EVENTS: usize = 1024;
/// Events that are committed at once.
const BATCH: usize = 100;
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(20);
/// Kept of the host's patience, so that it hears the end from us.
const MARGIN_MS: u64 = 500;

/// A nick on a network.
pub struct Irc {
    settings: Settings,
    host: Host,
    runtime: Runtime,
    stop: watch::Sender<bool>,
    /// The way to the connection that is open.
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
}

impl Plugin for Irc {
    type Config = Settings;

    fn about() -> About {
        About::new("irc", env!("CARGO_PKG_VERSION"))
            .config(Settings::schema())
            .concurrency(16)
    }

    fn create(settings: Settings, host: Host) -> Result<Self, Error> {
        if let Some(objection) = settings.objection() {
            return Err(Error::new("config", objection));
        }
        if let Some(ca) = &settings.ca {
            tls::check(ca)?;
        }
        Ok(Self {
            settings,
            host,
            runtime: Runtime::new(1)?,
            stop: watch::Sender::new(false),
            jobs: Mutex::default(),
        })
    }
}

impl Channel for Irc {
    fn open(&self) -> Result<Capabilities, Error> {
        let mut capabilities = json!({
            "text": {"max": TEXT, "unit": "byte"},
            "proactive": true,
            "addresses": [self.settings.nick],
        });
        if let Some((count, secs)) = session::rate(self.settings.line_ms) {
            capabilities["rate"] = json!({"account": {"count": count, "secs": secs}});
        }
        Ok(capabilities)
    }

    /// One connection. The host makes the pauses between one and the next.
    fn run(&self) -> Result<(), Error> {
        let (events, waiting) = mpsc::channel(EVENTS);
        let (host, flushed) = (self.host, Stop::new());
        let accepting = {
            let flushed = flushed.clone();
            std::thread::spawn(move || accept(host, waiting, &flushed))
        };
        let ended = self.runtime.handle().block_on(self.connection(events));
        // The connection is gone; what it brought is handed in first.
        flushed.stop();
        let _ = accepting.join();
        ended
    }

    fn stop(&self) {
        self.stop.send_replace(true);
    }

    fn send(&self, message: Outbound, meta: &Meta) -> Result<Receipt, SendError> {
        if message.op != SendOp::Send {
            return Ok(Receipt::default());
        }
        let target = message.conversation.id.clone();
        if !line::is_target(&target) {
            return Err(SendError::Rejected {
                code: "target".to_owned(),
                message: "this is neither a nick nor a channel".to_owned(),
            });
        }
        let Some(jobs) = self.link().clone() else {
            return Err(SendError::Transient("there is no connection".to_owned()));
        };
        let progress = Arc::new(Progress::default());
        let (done, told) = oneshot::channel();
        let job = Job {
            conversation: message.conversation.clone(),
            target,
            text: message.content.plain(),
            progress: progress.clone(),
            done,
        };
        if jobs.try_send(job).is_err() {
            return Err(SendError::Transient(
                "the connection has enough to do".to_owned(),
            ));
        }
        let patience = meta.deadline_ms.saturating_sub(MARGIN_MS).max(MARGIN_MS);
        let ended = self.runtime.within(patience, async { Ok(told.await) });
        match ended {
            Ok(Ok(end)) => end.map(|()| Receipt::default()),
            // The connection broke, or it takes too long: what matters is whether bytes left.
            _ if progress.give_up() => {
                Err(SendError::Transient("it did not get its turn".to_owned()))
            }
            _ => Err(SendError::Uncertain(
                "it left, and the server did not confirm it".to_owned(),
            )),
        }
    }
}

impl Irc {
    fn link(&self) -> MutexGuard<'_, Option<mpsc::Sender<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects and talks until it is stopped or the connection is lost.
    async fn connection(&self, events: mpsc::Sender<Inbound>) -> Result<(), Error> {
        let mut stop = self.stop.subscribe();
        let wire = tokio::select! {
            wire = timeout(CONNECT, connect(&self.settings)) => match wire {
                Ok(wire) => wire?,
                Err(_) => return Err(Error::new("lost", "the server cannot be reached")),
            },
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        let (sender, jobs) = mpsc::channel(JOBS);
        *self.link() = Some(sender);
        let ends = Ends { events, jobs, stop };
        let session = Session::new(wire, self.settings.clone(), self.host);
        let ended = session.run(ends).await;
        *self.link() = None;
        ended
    }
}

async fn connect(settings: &Settings) -> Result<Box<dyn Wire>, Error> {
    let (host, port) = settings.address();
    let lost = |why: std::io::Error| Error::new("lost", format_args!("{host}:{port}: {why}"));
    let stream = TcpStream::connect((host, port)).await.map_err(lost)?;
    stream.set_nodelay(true).map_err(lost)?;
    if !settings.tls {
        return Ok(Box::new(stream));
    }
    tls::secure(settings, host, stream).await
}

/// Hands events in, in their order, as many at once as there are. IRC delivers nothing again, so
/// what cannot be stored is kept and tried again, until the connection ends.
fn accept(host: Host, mut waiting: mpsc::Receiver<Inbound>, flushed: &Stop) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(event) = waiting.blocking_recv() {
        batch.push(event);
        while batch.len() < BATCH
            && let Ok(event) = waiting.try_recv()
        {
            batch.push(event);
        }
        hand_in(host, &batch, flushed);
        batch.clear();
    }
}

fn hand_in(host: Host, batch: &[Inbound], flushed: &Stop) {
    let mut pause = Duration::from_millis(50);
    let mut last_ones = 5;
    loop {
        let error = match host.inbox().accept(batch) {
            Ok(_) => return,
            Err(error) => error,
        };
        let (again, lost) = match &error {
            HostError::Busy | HostError::Failed(_) => (true, "are lost"),
            HostError::Gone => (false, "are lost"),
            _ => (false, "are no events for the server"),
        };
        last_ones -= u32::from(flushed.is_stopped());
        if !again || last_ones == 0 {
            // One that is refused must not take the others with it.
            if batch.len() > 1 && !matches!(error, HostError::Gone) && !again {
                for event in batch {
                    hand_in(host, std::slice::from_ref(event), flushed);
                }
                return;
            }
            host.error(&format!("{} messages {lost}: {error}", batch.len()));
            return;
        }
        let _ = match flushed.is_stopped() {
            // Nobody waits for these but the end.
            true => Stop::new().within(Duration::from_millis(100)),
            false => flushed.within(pause),
        };
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

export_plugin!(Irc: channel);
