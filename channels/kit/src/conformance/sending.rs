//! The way out over HTTP: one attempt a send, and an end that the outbox can decide by.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::future::join_all;
use serde_json::json;
use tandem_domain::{
    channel::{Receipt, SendError},
    message::Content,
};

use crate::{
    Account, Channel, fake,
    fake::platform::{Call, FarPlatform, Reply},
};

/// Sends made at once under a credential that has just expired.
const AT_ONCE: usize = 50;

/// What a channel's test knows of its platform.
#[async_trait]
pub trait Outgoing: Send + Sync {
    fn account(&self) -> Account;

    /// A conversation the platform knows.
    fn conversation(&self) -> String;

    /// The channel, talking to the fake.
    async fn channel(&self, platform: &FarPlatform) -> Arc<dyn Channel>;

    /// The path that takes messages; a `*` at its end stands for anything.
    fn path(&self) -> String;

    /// How the platform says that it took the message.
    fn taken(&self, call: &Call) -> Reply;

    /// How it asks to wait.
    fn throttled(&self, secs: u64) -> Reply {
        Reply::json(429, &json!({"error": "too many requests"}))
            .with("retry-after", &secs.to_string())
    }

    /// How it says that something of its own broke.
    fn broken(&self) -> Reply {
        Reply::text(503, "out of order")
    }

    /// How it refuses this one message.
    fn refused(&self) -> Reply {
        Reply::json(400, &json!({"error": "the customer is gone"}))
    }

    /// How it refuses a credential.
    fn unauthorized(&self) -> Reply {
        Reply::json(401, &json!({"error": "unauthorized"}))
    }

    /// Where tokens that expire are had, and how one is given out; none where the credential
    /// itself is sent.
    fn token(&self) -> Option<TokenAt> {
        None
    }

    /// The token a call was made with.
    fn token_of(&self, _call: &Call) -> Option<String> {
        None
    }

    /// Everything else that the platform is asked.
    fn prepare(&self, _platform: &FarPlatform) {}
}

/// See [`Outgoing::token`].
pub struct TokenAt {
    pub path: String,
    pub give: fn(token: &str) -> Reply,
}

/// Runs the suite.
///
/// # Errors
/// Everything the channel did wrong, one sentence each.
///
/// # Panics
/// When the fake cannot listen.
pub async fn check(subject: Arc<dyn Outgoing>) -> Result<(), Vec<String>> {
    let mut wrong = Vec::new();
    endings(&subject, &mut wrong).await;
    expiry(&subject, &mut wrong).await;
    gone(&subject, &mut wrong).await;
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// A platform that is well, with the tokens it gave out.
struct Far {
    platform: FarPlatform,
    /// The number of the token that counts; those before have expired.
    valid: Arc<AtomicU32>,
}

async fn far(subject: &Arc<dyn Outgoing>) -> Far {
    let platform = FarPlatform::start()
        .await
        .expect("a fake has a port to listen on");
    subject.prepare(&platform);
    let valid = Arc::new(AtomicU32::new(1));
    if let Some(token) = subject.token() {
        let valid = valid.clone();
        platform.on(&token.path, move |_| {
            (token.give)(&name(valid.load(Ordering::SeqCst)))
        });
    }
    let (asked, counts) = (subject.clone(), valid.clone());
    platform.on(&subject.path(), move |call| {
        let good = asked.token().is_none()
            || asked.token_of(call) == Some(name(counts.load(Ordering::SeqCst)));
        if good {
            asked.taken(call)
        } else {
            asked.unauthorized()
        }
    });
    Far { platform, valid }
}

fn name(token: u32) -> String {
    format!("token-{token}")
}

async fn send(subject: &Arc<dyn Outgoing>, channel: &dyn Channel) -> Result<Receipt, SendError> {
    let content = Content::text("Hello 你好");
    let message = fake::outbound(&subject.account(), &subject.conversation(), content);
    channel.send(&message).await
}

/// Whether an attempt ended well, given that the platform knows repeats or does not.
type Good = fn(&Result<Receipt, SendError>, bool) -> bool;

/// Every way an attempt can end.
async fn endings(subject: &Arc<dyn Outgoing>, wrong: &mut Vec<String>) {
    let far = far(subject).await;
    let channel = subject.channel(&far.platform).await;
    let known = channel.capabilities().idempotency_secs.is_some();
    if let Err(error) = send(subject, &*channel).await {
        wrong.push(format!(
            "A message is not sent though all is well: {error}."
        ));
        return;
    }
    let cases: [(&str, Reply, Good); 5] = [
        ("is asked to wait 7 s", subject.throttled(7), |end, _| {
            matches!(end, Err(SendError::RetryAfter(span) | SendError::AccountRetryAfter(span))
                if (Duration::from_secs(6)..=Duration::from_secs(9)).contains(span))
        }),
        (
            "is told that the platform broke",
            subject.broken(),
            |end, _| matches!(end, Err(SendError::Transient(_) | SendError::Uncertain(_))),
        ),
        ("is refused the message", subject.refused(), |end, _| {
            matches!(end, Err(SendError::Rejected { .. }))
        }),
        ("gets no answer", Reply::Cut, |end, known| {
            matches!(end, Err(SendError::Uncertain(_)))
                || known && matches!(end, Err(SendError::Transient(_)))
        }),
        (
            "gets an answer that is none",
            Reply::bytes(200, "application/json", "{"),
            |end, _| matches!(end, Ok(_) | Err(SendError::Uncertain(_))),
        ),
    ];
    for (what, reply, good) in cases {
        let before = far.platform.calls_to(&subject.path()).len();
        far.platform.next(&subject.path(), reply);
        let end = send(subject, &*channel).await;
        if !good(&end, known) {
            wrong.push(format!("A channel that {what} ends with {end:?}."));
        }
        let calls = far.platform.calls_to(&subject.path()).len() - before;
        if calls != 1 {
            wrong.push(format!(
                "A channel that {what} calls {calls} times in one attempt."
            ));
        }
    }
    if let Err(error) = send(subject, &*channel).await {
        wrong.push(format!("After all these a message is not sent: {error}."));
    }
}

/// The credential expires under many sends at once.
async fn expiry(subject: &Arc<dyn Outgoing>, wrong: &mut Vec<String>) {
    let far = far(subject).await;
    let channel = subject.channel(&far.platform).await;
    if send(subject, &*channel).await.is_err() {
        return;
    }
    let Some(token) = subject.token() else {
        let refused = subject.clone();
        far.platform
            .on(&subject.path(), move |_| refused.unauthorized());
        far.refuses_each(subject, &*channel, wrong).await;
        return;
    };
    let asked = far.platform.calls_to(&token.path).len();
    far.valid.fetch_add(1, Ordering::SeqCst);
    let sends = (0..AT_ONCE).map(|_| send(subject, &*channel));
    let lost = join_all(sends)
        .await
        .into_iter()
        .filter(Result::is_err)
        .count();
    if lost > 0 {
        wrong.push(format!(
            "Of {AT_ONCE} sends at once under a token that expired {lost} fail."
        ));
    }
    let asked = far.platform.calls_to(&token.path).len() - asked;
    if asked != 1 {
        wrong.push(format!(
            "For {AT_ONCE} sends at once a new token is asked for {asked} times."
        ));
    }
    // A credential that no new token helps is said to be refused.
    let refused = subject.clone();
    far.platform
        .on(&subject.path(), move |_| refused.unauthorized());
    let end = send(subject, &*channel).await;
    if !matches!(end, Err(SendError::Unauthorized(_))) {
        wrong.push(format!(
            "A credential that is refused for good ends with {end:?}."
        ));
    }
}

impl Far {
    /// Sends at once under a credential that is refused: each says so, and asks once.
    async fn refuses_each(
        &self,
        subject: &Arc<dyn Outgoing>,
        channel: &dyn Channel,
        wrong: &mut Vec<String>,
    ) {
        let before = self.platform.calls_to(&subject.path()).len();
        let sends = (0..AT_ONCE).map(|_| send(subject, channel));
        let told = join_all(sends)
            .await
            .into_iter()
            .filter(|end| matches!(end, Err(SendError::Unauthorized(_))))
            .count();
        let calls = self.platform.calls_to(&subject.path()).len() - before;
        if told != AT_ONCE || calls != AT_ONCE {
            wrong.push(format!(
                "Of {AT_ONCE} sends at once under a refused credential {told} say so, with {calls} calls."
            ));
        }
    }
}

/// Nobody listens any more.
async fn gone(subject: &Arc<dyn Outgoing>, wrong: &mut Vec<String>) {
    let far = far(subject).await;
    let channel = subject.channel(&far.platform).await;
    if send(subject, &*channel).await.is_err() {
        return;
    }
    let url = far.platform.url();
    drop(far);
    // The port closes a moment after the fake is told.
    let address = url.trim_start_matches("http://").to_owned();
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let end = send(subject, &*channel).await;
    if !matches!(end, Err(SendError::Transient(_))) {
        wrong.push(format!(
            "A platform that is out of reach ends with {end:?}."
        ));
    }
}
