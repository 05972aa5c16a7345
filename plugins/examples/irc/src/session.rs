//! One connection: the greeting, then lines in and lines out until it ends.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tandem_plugin_sdk::{
    Error, Host, SendError,
    wire::{Inbound, NativeConversation, Part, Sender},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use crate::{
    line::{self, Line, Mapping, Source, clean},
    settings::Settings,
    talk::{Heard, Talk, nick_of},
};

/// Anything a connection can be.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Bytes of a line with its tags; what is longer is no IRC.
const LINE_MAX: usize = 16 << 10;
/// How long the greeting may take.
const GREETING: Duration = Duration::from_secs(60);
/// How long a line may take to leave.
const WRITE: Duration = Duration::from_secs(15);
/// How long the server may take to let us go.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a message may take until the server confirms it.
const CONFIRM: Duration = Duration::from_secs(60);
/// Silence after which we ask, and after which the connection is taken for dead.
const QUIET: Duration = Duration::from_secs(60);
const DEAD: Duration = Duration::from_secs(150);
/// Lines that may leave at once.
const BURST: u32 = 5;
/// Nicks tried one after the other.
const NICKS: usize = 6;

/// One message to be written.
pub struct Job {
    pub conversation: NativeConversation,
    pub target: String,
    pub text: String,
    pub progress: Arc<Progress>,
    pub done: oneshot::Sender<Result<(), SendError>>,
}

/// Whether bytes of a message have left, as its sender and its connection agree on.
#[derive(Debug, Default)]
pub struct Progress(AtomicU8);

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Progress {
    /// The connection begins it; false when its sender gave it up.
    fn begin(&self) -> bool {
        self.change(BEGUN)
    }

    /// The sender gives it up; false when bytes of it have left.
    pub fn give_up(&self) -> bool {
        self.change(GIVEN_UP)
    }

    pub fn is_begun(&self) -> bool {
        self.0.load(Ordering::SeqCst) == BEGUN
    }

    fn change(&self, to: u8) -> bool {
        let from = &self.0;
        let relaxed = Ordering::SeqCst;
        from.compare_exchange(WAITING, to, relaxed, relaxed).is_ok()
    }
}

/// The message that is being written: its lines, then a question that the server answers only after
/// it has worked them off.
struct Current {
    job: Job,
    lines: VecDeque<String>,
    token: String,
    asked: bool,
    /// How long the server may take to confirm it.
    until: Instant,
}

/// What a line is to whoever waits.
enum Meant {
    Heard(Box<Inbound>),
    /// The message that is being written has come to its end.
    Ended(Result<(), SendError>),
    Nothing,
}

pub struct Session<W> {
    settings: Settings,
    host: Host,
    reader: ReadHalf<W>,
    writer: WriteHalf<W>,
    buffer: Vec<u8>,
    /// We, as the server shows us to others.
    us: Source,
    talk: Talk,
    pace: Pace,
    /// Of this connection, for ids of events where the server gives none.
    id: String,
    sequence: u64,
    heard_at: Instant,
}

/// What a session is told and tells.
pub struct Ends {
    pub events: mpsc::Sender<Inbound>,
    pub jobs: mpsc::Receiver<Job>,
    pub stop: watch::Receiver<bool>,
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // Whoever could tell us is gone, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn sleep_until(at: Option<Instant>) {
    tokio::time::sleep_until(at.unwrap_or_else(Instant::now).into()).await;
}

fn lost(why: impl std::fmt::Display) -> Error {
    Error::new("lost", why)
}

impl<W: Wire> Session<W> {
    pub fn new(wire: W, settings: Settings, host: Host) -> Self {
        let (reader, writer) = tokio::io::split(wire);
        let now = Instant::now();
        Self {
            talk: Talk::new(Duration::from_secs(settings.follow_secs)),
            pace: Pace::new(Duration::from_millis(settings.line_ms), now),
            us: Source {
                nick: settings.nick.clone(),
                ..Source::default()
            },
            settings,
            host,
            reader,
            writer,
            buffer: Vec::new(),
            id: uuid::Uuid::now_v7().simple().to_string(),
            sequence: 0,
            heard_at: now,
        }
    }

    /// Greets, joins, and goes on until it is stopped.
    ///
    /// # Errors
    /// `unauthorized` and `config` where only a person can help, else that the connection is lost.
    pub async fn run(mut self, mut ends: Ends) -> Result<(), Error> {
        let stop = ends.stop.clone();
        tokio::select! {
            greeted = timeout(GREETING, self.greet()) => match greeted {
                Ok(greeted) => greeted?,
                Err(_) => return Err(lost("the server's greeting did not end")),
            },
            () = stopped(stop) => return Ok(()),
        }
        self.talk_on(&mut ends).await
    }

    async fn write(&mut self, line: &str) -> Result<(), Error> {
        let bytes = format!("{line}\r\n");
        match timeout(WRITE, self.writer.write_all(bytes.as_bytes())).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return Err(lost(why)),
            Err(_) => return Err(lost("a line did not leave in time")),
        }
        match timeout(WRITE, self.writer.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(lost(why)),
            Err(_) => Err(lost("a line did not leave in time")),
        }
    }

    /// The next line. Dropping the future loses nothing.
    async fn read(&mut self) -> Result<Line, Error> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let raw: Vec<u8> = self.buffer.drain(..=end).collect();
                match Line::parse(&raw) {
                    Some(line) => return Ok(line),
                    None => continue,
                }
            }
            if self.buffer.len() > LINE_MAX {
                return Err(lost("the server sends a line without an end"));
            }
            match self.reader.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(lost("the server closed the connection")),
                Ok(_) => self.heard_at = Instant::now(),
                Err(why) => return Err(lost(why)),
            }
        }
    }

    async fn greet(&mut self) -> Result<(), Error> {
        self.write("CAP LS 302").await?;
        if let Some(password) = self.settings.password.clone() {
            self.write(&format!("PASS :{password}")).await?;
        }
        self.write(&format!("NICK {}", self.us.nick)).await?;
        let realname = self.settings.realname.as_deref().unwrap_or("Tandem");
        self.write(&format!("USER tandem 0 * :{realname}")).await?;
        let mut offered = String::new();
        let mut nicks = 0;
        loop {
            let line = self.read().await?;
            match line.command.as_str() {
                "PING" => self.write(&format!("PONG :{}", line.param(0))).await?,
                "CAP" => self.negotiate(&line, &mut offered).await?,
                "AUTHENTICATE" if line.param(0) == "+" => self.authenticate().await?,
                "903" => self.write("CAP END").await?,
                "902" | "904" | "905" | "906" | "908" => {
                    let why = format!("SASL was refused: {}", line.words());
                    return Err(Error::new("unauthorized", why));
                }
                "464" => return Err(Error::new("unauthorized", line.words())),
                "465" => return Err(Error::new("config", line.words())),
                "432" => {
                    let why = format!("the server takes no nick like this: {}", line.words());
                    return Err(Error::new("config", why));
                }
                // In use, or changed too often.
                "433" | "436" | "437" => {
                    nicks += 1;
                    if nicks > NICKS {
                        return Err(lost("every nick that was tried is in use"));
                    }
                    self.us.nick = self.other_nick(nicks);
                    self.write(&format!("NICK {}", self.us.nick)).await?;
                }
                "001" => line.param(0).clone_into(&mut self.us.nick),
                "005" => self.learn(&line),
                "ERROR" => return Err(lost(line.words())),
                // The end of the message of the day, or that there is none.
                "376" | "422" => break,
                _ => {}
            }
        }
        if let Some(password) = self.settings.nickserv.clone() {
            self.write(&format!("PRIVMSG NickServ :IDENTIFY {password}"))
                .await?;
        }
        for channel in self.settings.channels.clone() {
            self.write(&format!("JOIN {channel}")).await?;
        }
        if self.us.nick != self.settings.nick {
            let (have, want) = (&self.us.nick, &self.settings.nick);
            self.host.warn(&format!(
                "The nick {want} is in use; this is {have} until it is free."
            ));
        }
        self.host.info(&format!("Connected as {}.", self.us.nick));
        Ok(())
    }

    fn other_nick(&self, tried: usize) -> String {
        let mut nick: String = self.settings.nick.chars().take(20).collect();
        match tried {
            1..=2 => nick.push_str(&"_".repeat(tried)),
            _ => {
                let at = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                nick.push_str(&format!("{:03}", at.subsec_micros() % 1000));
            }
        }
        nick
    }

    async fn negotiate(&mut self, line: &Line, offered: &mut String) -> Result<(), Error> {
        match line.param(1).to_ascii_uppercase().as_str() {
            "LS" => {
                if offered.len() < LINE_MAX {
                    offered.push_str(line.params.last().map_or("", String::as_str));
                    offered.push(' ');
                }
                // More of the list follows.
                if line.param(2) == "*" && line.params.len() > 3 {
                    return Ok(());
                }
                let offers = |wanted: &str| {
                    let names = offered.split(' ').map(|cap| cap.split('=').next());
                    names.flatten().any(|name| name == wanted)
                };
                let mut wanted = vec!["message-tags", "account-tag"];
                wanted.retain(|cap| offers(cap));
                if self.settings.sasl.is_some() {
                    if !offers("sasl") {
                        let why = "the server has no SASL; use `nickserv` instead of `sasl`";
                        return Err(Error::new("config", why));
                    }
                    wanted.push("sasl");
                }
                match wanted.is_empty() {
                    true => self.write("CAP END").await,
                    false => self.write(&format!("CAP REQ :{}", wanted.join(" "))).await,
                }
            }
            "ACK" if self.settings.sasl.is_some() => self.write("AUTHENTICATE PLAIN").await,
            "NAK" if self.settings.sasl.is_some() => {
                Err(Error::new("config", "the server refuses SASL"))
            }
            "ACK" | "NAK" => self.write("CAP END").await,
            _ => Ok(()),
        }
    }

    async fn authenticate(&mut self) -> Result<(), Error> {
        let account = self.settings.account.as_deref();
        let account = account.unwrap_or(&self.settings.nick);
        let password = self.settings.sasl.as_deref().unwrap_or_default();
        let said = format!("\0{account}\0{password}");
        let said = tandem_plugin_sdk::Bytes(said.into_bytes()).to_base64();
        // At most 400 a line; one that is full is followed by another, if by an empty one.
        let pieces = said.as_bytes().chunks(400);
        for piece in pieces {
            let piece = String::from_utf8_lossy(piece).into_owned();
            self.write(&format!("AUTHENTICATE {piece}")).await?;
        }
        if said.len().is_multiple_of(400) {
            self.write("AUTHENTICATE +").await?;
        }
        Ok(())
    }

    fn learn(&mut self, line: &Line) {
        if line.params.iter().any(|param| param == "CASEMAPPING=ascii") {
            self.talk.mapping = Mapping::Ascii;
        }
    }

    async fn talk_on(&mut self, ends: &mut Ends) -> Result<(), Error> {
        let mut current: Option<Current> = None;
        let mut clock = tokio::time::interval(QUIET / 2);
        let mut leave_at: Option<Instant> = None;
        loop {
            let due = current.as_ref().filter(|current| !current.asked);
            let due = due.map(|_| self.pace.free_at());
            let idle = current.is_none();
            if idle && leave_at.is_some() {
                // It goes well or the server is gone already.
                let _ = timeout(FAREWELL, self.leave(&ends.events)).await;
                return Ok(());
            }
            let patience = current.as_ref().map(|current| current.until);
            let patience = patience.map(|until| leave_at.map_or(until, |at| at.min(until)));
            tokio::select! {
                // A message that was begun is brought to its end first, where the server lets it.
                () = stopped(ends.stop.clone()), if leave_at.is_none() => {
                    leave_at = Some(Instant::now() + FAREWELL);
                }
                () = sleep_until(patience), if patience.is_some() => {
                    // Its sender learns that nobody knows.
                    current = None;
                    if leave_at.is_none() {
                        return Err(lost("the server does not confirm a message"));
                    }
                }
                line = self.read() => {
                    let line = line?;
                    match self.take(&line, &current).await? {
                        Meant::Heard(event) => tokio::select! {
                            // Full: the server waits with us, and nothing is dropped.
                            sent = ends.events.send(*event) => {
                                sent.map_err(|_| lost("nobody takes events any more"))?;
                            }
                            () = stopped(ends.stop.clone()) => {
                                self.host.error("A message is lost: the inbox took none before the end.");
                                return Ok(());
                            }
                        },
                        Meant::Ended(end) => self.ended(end, &mut current),
                        Meant::Nothing => {}
                    }
                }
                Some(job) = ends.jobs.recv(), if idle && leave_at.is_none() => {
                    if job.done.is_closed() {
                        continue;
                    }
                    current = self.begin(job);
                }
                () = sleep_until(due), if due.is_some() => {
                    self.write_next(&mut current).await?;
                }
                _ = clock.tick() => self.look_after().await?,
            }
        }
    }

    /// Says goodbye and takes what was on its way, until the server closes the connection.
    async fn leave(&mut self, events: &mpsc::Sender<Inbound>) -> Result<(), Error> {
        self.write("QUIT :Bye").await?;
        loop {
            let line = self.read().await?;
            if let Meant::Heard(event) = self.take(&line, &None).await? {
                events.send(*event).await.map_err(lost)?;
            }
        }
    }

    /// Makes lines of a message; none when its end is already told.
    fn begin(&mut self, job: Job) -> Option<Current> {
        if self.talk.taken_by_another(&job.conversation) {
            let message = "somebody else has this nick by now".to_owned();
            let code = "nick".to_owned();
            let _ = job.done.send(Err(SendError::Rejected { code, message }));
            return None;
        }
        let room = line::room(&self.us, &job.target);
        let text = match nick_of(&job.conversation) {
            Some(nick) if line::is_channel(&job.target) => format!("{nick}: {}", job.text),
            _ => job.text.clone(),
        };
        let lines: VecDeque<String> = line::lines(&text, room).into();
        if lines.is_empty() {
            let _ = job.done.send(Ok(()));
            return None;
        }
        let token = format!("t{}", uuid::Uuid::now_v7().simple());
        Some(Current {
            job,
            lines,
            token,
            asked: false,
            until: Instant::now() + CONFIRM,
        })
    }

    /// One line more of the message, at last the question.
    async fn write_next(&mut self, current: &mut Option<Current>) -> Result<(), Error> {
        let Some(writing) = current else {
            return Ok(());
        };
        let begun = writing.job.progress.is_begun() || writing.job.progress.begin();
        if !begun {
            *current = None;
            return Ok(());
        }
        self.pace.count(Instant::now());
        let line = match writing.lines.pop_front() {
            Some(text) => format!("PRIVMSG {} :{text}", writing.job.target),
            None => {
                writing.asked = true;
                format!("PING :{}", writing.token)
            }
        };
        self.write(&line).await
    }

    /// What a line means.
    async fn take(&mut self, line: &Line, current: &Option<Current>) -> Result<Meant, Error> {
        let ours =
            self.talk.mapping.fold(&line.source.nick) == self.talk.mapping.fold(&self.us.nick);
        match line.command.as_str() {
            "PING" => self.write(&format!("PONG :{}", line.param(0))).await?,
            "PONG" => {
                let token = line.params.last().map_or("", String::as_str);
                let asked = current
                    .as_ref()
                    .is_some_and(|c| c.asked && c.token == token);
                if asked {
                    return Ok(Meant::Ended(Ok(())));
                }
            }
            "PRIVMSG" => {
                if let Some(heard) = self.talk.hear(line, &self.us.nick, Instant::now()) {
                    return Ok(Meant::Heard(Box::new(self.event(line, heard))));
                }
            }
            "NICK" if ours => line.param(0).clone_into(&mut self.us.nick),
            "NICK" | "QUIT" => self.talk.left(&line.source.nick),
            "JOIN" if ours => {
                self.us.user.clone_from(&line.source.user);
                self.us.host.clone_from(&line.source.host);
                self.host.info(&format!("Joined {}.", clean(line.param(0))));
            }
            "KICK"
                if self.talk.mapping.fold(line.param(1))
                    == self.talk.mapping.fold(&self.us.nick) =>
            {
                let (place, why) = (clean(line.param(0)), line.words());
                self.host.warn(&format!("Kicked out of {place}: {why}"));
            }
            "ERROR" => return Err(lost(line.words())),
            // Channels that cannot be joined.
            "403" | "405" | "471" | "473" | "474" | "475" | "476" | "477" | "489"
                if self
                    .settings
                    .channels
                    .iter()
                    .any(|c| c.eq_ignore_ascii_case(line.param(1)))
                    && !is_of(current, line, self.talk.mapping) =>
            {
                let (place, why) = (clean(line.param(1)), line.words());
                self.host.error(&format!("{place} cannot be joined: {why}"));
            }
            // Nobody of this nick, or who may not be written to.
            "401" | "402" | "403" | "404" | "407" | "408" | "411" | "412" | "413" | "415"
            | "477" | "486" | "489" | "531" | "716" | "718"
                if is_of(current, line, self.talk.mapping) =>
            {
                return Ok(Meant::Ended(Err(SendError::Rejected {
                    code: line.command.clone(),
                    message: line.words(),
                })));
            }
            _ => {}
        }
        Ok(Meant::Nothing)
    }

    fn ended(&mut self, end: Result<(), SendError>, current: &mut Option<Current>) {
        if let Some(Current { job, .. }) = current.take() {
            if end.is_ok() {
                self.talk.answered(&job.conversation, Instant::now());
            }
            // Its sender may have given it up.
            let _ = job.done.send(end);
        }
    }

    fn event(&mut self, line: &Line, heard: Heard) -> Inbound {
        let id = match line.tag("msgid").filter(|id| id.len() <= 200) {
            Some(id) => format!("m {id}"),
            None => {
                self.sequence += 1;
                format!("{} {}", self.id, self.sequence)
            }
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let ts = i64::try_from(now.as_millis()).unwrap_or_default();
        Inbound {
            conversation: heard.conversation,
            sender: Sender {
                id: format!("{} {}", self.talk.mapping.fold(&heard.nick), heard.identity),
                name: Some(heard.nick),
                ..Sender::default()
            },
            message_id: Some(id.clone()),
            parts: vec![Part::text(heard.text)],
            mentions_me: heard.mentions_us,
            ..Inbound::text(&id, "", ts, "")
        }
    }

    /// Asks a server that is quiet, gives up one that is dead, and takes our nick back.
    async fn look_after(&mut self) -> Result<(), Error> {
        let quiet = self.heard_at.elapsed();
        if quiet > DEAD {
            return Err(lost("the server has been silent for too long"));
        }
        if quiet > QUIET {
            self.write("PING :alive").await?;
        }
        if self.us.nick != self.settings.nick {
            let nick = self.settings.nick.clone();
            self.write(&format!("NICK {nick}")).await?;
        }
        Ok(())
    }
}

/// Whether an answer is about the message that is being written.
fn is_of(current: &Option<Current>, line: &Line, mapping: Mapping) -> bool {
    let target = mapping.fold(line.param(1));
    current
        .as_ref()
        .is_some_and(|c| c.job.progress.is_begun() && mapping.fold(&c.job.target) == target)
}

/// When the next line may leave: a few at once, then one in a while.
struct Pace {
    every: Duration,
    /// When all that left is worked off.
    level: Instant,
}

impl Pace {
    fn new(every: Duration, now: Instant) -> Self {
        Self { every, level: now }
    }

    fn free_at(&self) -> Instant {
        let burst = self.every * (BURST - 1);
        self.level.checked_sub(burst).unwrap_or(self.level)
    }

    fn count(&mut self, now: Instant) {
        self.level = self.level.max(now) + self.every;
    }
}

/// Messages that may leave in so many seconds, each with its question.
#[must_use]
pub fn rate(line_ms: u64) -> Option<(u32, u64)> {
    let secs = (u64::from(BURST) * 2 * line_ms).div_ceil(1000);
    (line_ms > 0).then_some((BURST, secs.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_lines_leave_at_once_and_then_one_in_a_while() {
        let now = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(1), now);
        for _ in 0..BURST {
            assert!(pace.free_at() <= now);
            pace.count(now);
        }
        assert_eq!(pace.free_at(), now + Duration::from_secs(1));
        pace.count(now + Duration::from_secs(1));
        assert_eq!(pace.free_at(), now + Duration::from_secs(2));
        assert_eq!(rate(1000), Some((5, 10)));
        assert_eq!(rate(0), None);
    }

    #[test]
    fn a_message_is_begun_or_given_up_and_never_both() {
        let progress = Progress::default();
        assert!(progress.begin() && progress.is_begun() && !progress.give_up());
        let progress = Progress::default();
        assert!(progress.give_up() && !progress.begin() && !progress.is_begun());
    }
}
