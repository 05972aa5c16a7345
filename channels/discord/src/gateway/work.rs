//! What events do: they are read in their order, and committed in it.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use tandem_channel_kit::{ChannelError, Inbox, InboxError};
use tandem_domain::{capabilities::DEDUPE_SECS, message::Inbound};
use tokio::{sync::Semaphore, task::JoinHandle, time::timeout};

use super::{history, intents};
use crate::{
    channel::Hub,
    config::registered,
    fault::Fault,
    inbound::{Asked, Me},
    native::{Event, Guild, Interaction, Message, Ready, Snowflake},
    place::Place,
    state::Session,
};

/// Discord's patience with an interaction.
const DEADLINE: Duration = Duration::from_secs(3);
/// Acknowledgements under way at once.
const ACKS: usize = 64;
/// Pauses between attempts to commit, growing to the second.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];
/// Tries of something that is asked of Discord in order to go on.
const TRIES: u32 = 5;
/// How old a message may be that is fetched later: well within what the inbox knows again.
const OLDEST: Duration = Duration::from_secs(DEDUPE_SECS * 3 / 4);
/// The longest that Discord is waited for at once.
const WAIT: Duration = Duration::from_secs(60);

/// One thing that came, and its number in the session.
pub(super) struct Item {
    pub seq: Option<u64>,
    pub what: What,
}

pub(super) enum What {
    Event(Event),
    /// It is no event that we can read: why, and as it came.
    Unread(String, String),
}

impl Item {
    pub fn unread(seq: Option<u64>, why: &serde_json::Error, text: String) -> Self {
        Self {
            seq,
            what: What::Unread(why.to_string(), text),
        }
    }
}

/// Acknowledgements of interactions under way.
pub(super) struct Acks {
    room: Arc<Semaphore>,
    running: Vec<JoinHandle<()>>,
}

impl Default for Acks {
    fn default() -> Self {
        Self {
            room: Arc::new(Semaphore::new(ACKS)),
            running: Vec::new(),
        }
    }
}

impl Acks {
    /// It says no more than that we have heard; delivery is confirmed by the sequence.
    pub fn begin(&mut self, hub: &Arc<Hub>, asked: &Interaction) {
        let acknowledgement = hub.reader().interaction(asked).acknowledgement();
        let (hub, room) = (hub.clone(), self.room.clone());
        let (id, token) = (asked.id, asked.token.clone());
        self.running.push(tokio::spawn(async move {
            let Ok(_room) = room.acquire().await else {
                return;
            };
            match hub.api.acknowledge(id, &token, &acknowledgement).await {
                Ok(()) => {}
                // It came again after a connection broke, and was acknowledged before.
                Err(fault) if fault.code() == 40_060 => {}
                Err(error) => {
                    tracing::warn!(account = %hub.account.id, %error, "An interaction could not be acknowledged in time; the answer comes as a message.");
                }
            }
        }));
    }

    pub fn take(&mut self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut self.running)
    }
}

/// Works items off, and notes how far it has come.
pub(super) async fn run(
    hub: Arc<Hub>,
    inbox: Inbox,
    items: Vec<Item>,
    acks: Vec<JoinHandle<()>>,
) -> Result<(), ChannelError> {
    if !acks.is_empty() {
        // An answer that overtook the acknowledgement would find nothing to answer.
        let _ = timeout(DEADLINE, join_all(acks)).await;
    }
    let mut batch = Batch::new(&hub, &inbox);
    let last = items.iter().filter_map(|item| item.seq).next_back();
    for item in items {
        match item.what {
            What::Event(event) => batch.take(event, item.seq).await?,
            What::Unread(why, text) => {
                batch.commit().await?;
                keep(&inbox, &why, &text).await;
            }
        }
    }
    batch.commit().await?;
    let mut state = hub.state();
    if let (Some(last), Some(session)) = (last, &mut state.session) {
        session.seq = last;
    }
    Ok(())
}

/// Events on their way into the inbox.
pub(super) struct Batch<'a> {
    hub: &'a Arc<Hub>,
    inbox: &'a Inbox,
    events: Vec<Inbound>,
    /// Their channels and messages, to be remembered once they are committed.
    seen: Vec<(Snowflake, Snowflake, bool)>,
    newest: Option<Snowflake>,
}

impl<'a> Batch<'a> {
    pub fn new(hub: &'a Arc<Hub>, inbox: &'a Inbox) -> Self {
        Self {
            hub,
            inbox,
            events: Vec::new(),
            seen: Vec::new(),
            newest: None,
        }
    }

    async fn take(&mut self, event: Event, seq: Option<u64>) -> Result<(), ChannelError> {
        let (hub, now) = (self.hub, self.hub.now());
        match event {
            Event::Ready(ready) => {
                self.commit().await?;
                self.ready(*ready, seq).await?;
            }
            Event::Resumed => register(hub),
            Event::Message(message) => {
                self.newest = self.newest.max(Some(message.id));
                if let Some(place) = self.heeded(&message).await? {
                    self.message(&message, &place);
                }
            }
            Event::Edited(message) => {
                if let Some(place) = self.heeded(&message).await? {
                    self.events.extend(hub.reader().edit(&message, &place));
                }
            }
            Event::Deleted(deleted) => {
                // Where nobody talks with us nothing of ours can be gone.
                let known = hub.state().seen.contains_key(&deleted.channel_id)
                    || self
                        .seen
                        .iter()
                        .any(|(channel, ..)| *channel == deleted.channel_id);
                if known {
                    let place = self.place(deleted.channel_id, deleted.guild_id).await?;
                    self.events
                        .extend(hub.reader().deleted(&deleted, &place, now));
                }
            }
            Event::Reaction(reaction) => {
                let ours = reaction.message_author_id == Some(hub.me().user);
                if reaction.guild_id.is_none() || ours || !hub.channels().is_empty() {
                    let place = self.place(reaction.channel_id, reaction.guild_id).await?;
                    let reaction = hub.reader().reaction(&reaction, &place, now);
                    self.events.extend(reaction);
                }
            }
            Event::Interaction(asked) => {
                hub.learn(&asked);
                match hub.reader().interaction(&asked) {
                    Asked::Command(event) | Asked::Press(event) => {
                        let channel = asked.channel.as_ref().map(|channel| channel.id);
                        if let Some(channel) = channel.or(asked.channel_id) {
                            let alone = asked.guild_id.is_none();
                            self.seen.push((channel, asked.id, alone));
                        }
                        self.events.push(*event);
                    }
                    Asked::Unknown => {
                        self.commit().await?;
                        let why = format!("an interaction of the type {}", asked.kind);
                        keep(self.inbox, &why, asked.id.to_string().as_str()).await;
                    }
                    Asked::Ping | Asked::Completion => {}
                }
            }
            Event::Guild(guild) => {
                for channel in guild.channels.iter().chain(&guild.threads) {
                    hub.places.learn(channel);
                }
                self.caught_up(*guild).await?;
            }
            Event::Channels(channels) => channels.iter().for_each(|c| hub.places.learn(c)),
            Event::Other => {}
        }
        Ok(())
    }

    /// Where a message that is for us was written; none for all others.
    async fn heeded(&self, message: &Message) -> Result<Option<Place>, ChannelError> {
        let reader = self.hub.reader();
        // Where it is decides only in channels of our own.
        let asks = message.guild_id.is_none()
            || reader.names_us(message)
            || !self.hub.channels().is_empty();
        if !asks || message.author.as_ref().is_none_or(|author| author.bot) {
            return Ok(None);
        }
        let place = self.place(message.channel_id, message.guild_id).await?;
        Ok(reader.heeds(message, Some(&place)).then_some(place))
    }

    pub fn message(&mut self, message: &Message, place: &Place) {
        let alone = *place == Place::Dm;
        self.seen.push((message.channel_id, message.id, alone));
        self.events.push(self.hub.reader().message(message, place));
    }

    async fn place(
        &self,
        channel: Snowflake,
        guild: Option<Snowflake>,
    ) -> Result<Place, ChannelError> {
        if guild.is_none() {
            return Ok(Place::Dm);
        }
        if let Some(place) = self.hub.places.get(channel) {
            return Ok(place);
        }
        let found = patiently(|| self.hub.api.channel(channel)).await?;
        // One we may not look at is no thread to us, now and later.
        let place = found.as_ref().map_or(Place::Group, Place::of);
        self.hub.places.note(channel, place);
        Ok(place)
    }

    /// A session begins.
    async fn ready(&mut self, ready: Ready, seq: Option<u64>) -> Result<(), ChannelError> {
        let hub = self.hub;
        let me = Me {
            user: ready.user.id,
            application: ready.application.id,
        };
        let url = match ready.resume_gateway_url {
            Some(url) => url,
            None => hub.api.gateway().await.map_err(Fault::lost)?.url,
        };
        {
            let mut state = hub.state();
            if state.me.is_some_and(|before| before != me) {
                // Another bot: what the last one read says nothing.
                *state = Default::default();
            }
            state.me = Some(me);
            let floor = Snowflake::at(hub.now() - OLDEST);
            state.fall_behind(ready.guilds.iter().map(|guild| guild.id).collect(), floor);
            state.newest = state.newest.max(Some(Snowflake::at(hub.now())));
        }
        history::alone(hub, self).await?;
        hub.state().session = Some(Session {
            id: ready.session_id,
            url,
            seq: seq.unwrap_or(0),
            made_for: hub.made_for(intents(hub)),
        });
        // From here on Discord plays again what a crash loses, to whoever knows the session.
        super::save(hub).await;
        register(hub);
        tracing::info!(account = %hub.account.id, bot = ready.user.shown(), "Discord listens to the bot.");
        Ok(())
    }

    /// A server tells its channels: what was written in them meanwhile comes before all that follows.
    async fn caught_up(&mut self, guild: Guild) -> Result<(), ChannelError> {
        let hub = self.hub;
        let awaited = {
            let state = hub.state();
            let behind = state.behind.as_ref();
            behind.is_some_and(|behind| behind.guilds.contains(&guild.id))
        };
        if !awaited {
            return Ok(());
        }
        self.commit().await?;
        history::guild(hub, self, &guild).await?;
        let mut state = hub.state();
        if let Some(behind) = &mut state.behind {
            behind.guilds.remove(&guild.id);
            if behind.guilds.is_empty() {
                state.behind = None;
            }
        }
        Ok(())
    }

    /// Commits what there is, however long the inbox takes.
    pub async fn commit(&mut self) -> Result<(), ChannelError> {
        let events = std::mem::take(&mut self.events);
        if !events.is_empty() {
            accept(self.inbox, events).await;
        }
        let mut state = self.hub.state();
        for (channel, message, alone) in self.seen.drain(..) {
            state.saw(channel, message, alone);
        }
        state.newest = state.newest.max(self.newest.take());
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.events.len()
    }
}

/// Hands events in until they are taken. Discord holds back what follows meanwhile.
async fn accept(inbox: &Inbox, events: Vec<Inbound>) {
    match attempt(inbox, &events).await {
        Ok(()) => {}
        // One of them is at fault, and the others are not.
        Err(_) if events.len() > 1 => {
            for event in events {
                Box::pin(accept(inbox, vec![event])).await;
            }
        }
        Err(error) => {
            for event in &events {
                let text = serde_json::to_string(event).unwrap_or_default();
                keep(inbox, &error.to_string(), &text).await;
            }
        }
    }
}

/// Fails only where trying again cannot help.
async fn attempt(inbox: &Inbox, events: &[Inbound]) -> Result<(), InboxError> {
    let mut pause = PAUSES[0];
    loop {
        match inbox.accept(events.to_vec()).await {
            Ok(_) => return Ok(()),
            Err(error @ (InboxError::Invalid(_) | InboxError::TooLarge { .. })) => {
                return Err(error);
            }
            Err(error) => {
                tracing::warn!(account = %inbox.account().id, %error, "Events of Discord wait for the inbox.");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES[1]);
            }
        }
    }
}

/// Keeps what is not understood, for a person.
async fn keep(inbox: &Inbox, why: &str, text: &str) {
    let mut pause = PAUSES[0];
    while let Err(error) = inbox.accept_unknown(why, text.as_bytes()).await {
        tracing::warn!(account = %inbox.account().id, %error, "What was not understood waits to be kept.");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES[1]);
    }
}

/// Asks Discord for something that is needed to go on. `None` where it is not there for us.
pub(super) async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<Option<T>, ChannelError>
where
    F: Future<Output = Result<T, Fault>>,
{
    let mut tried = 0;
    loop {
        tried += 1;
        let fault = match ask().await {
            Ok(answer) => return Ok(Some(answer)),
            Err(fault) => fault,
        };
        let wait = match &fault {
            Fault::Refused(refusal) if matches!(refusal.status, 400 | 403 | 404) => {
                return Ok(None);
            }
            Fault::Refused(refusal) if refusal.status == 401 => return Err(fault.lost()),
            Fault::Refused(refusal) => refusal.wait.unwrap_or(PAUSES[0]),
            _ => PAUSES[0] * 2_u32.pow(tried),
        };
        if tried >= TRIES {
            return Err(fault.lost());
        }
        tokio::time::sleep(wait.min(WAIT)).await;
    }
}

/// Registers the commands that the operator wrote, where they are others than last time.
fn register(hub: &Arc<Hub>) {
    let Some(commands) = &hub.settings.commands else {
        return;
    };
    let list = registered(commands);
    let digest = blake3::hash(list.to_string().as_bytes())
        .to_hex()
        .to_string();
    let application = hub.me().application;
    if hub.state().commands.as_ref() == Some(&digest) {
        return;
    }
    let hub = hub.clone();
    tokio::spawn(async move {
        match hub.api.put_commands(application, &list).await {
            Ok(()) => hub.state().commands = Some(digest),
            Err(error) => {
                tracing::warn!(account = %hub.account.id, %error, "The slash commands could not be registered; it is tried again with the next connection.");
            }
        }
    });
}
