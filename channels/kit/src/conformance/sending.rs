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
    message::{Content, Outbound},
};

use super::{Check, Report};
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

    /// A message as the outbox hands it over there.
    fn outbound(&self, content: Content) -> Outbound {
        fake::outbound(&self.account(), &self.conversation(), content)
    }

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

    /// How long a channel waits after `throttled(7)`: not every platform says.
    fn pause(&self) -> Duration {
        Duration::from_secs(7)
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
    report(subject).await.result()
}

/// Runs the suite and tells what there was to try.
///
/// # Panics
/// When the fake cannot listen.
pub async fn report(subject: Arc<dyn Outgoing>) -> Report {
    let mut report = Report::default();
    endings(&subject, &mut report).await;
    report.tried.insert(Check::Expired);
    expiry(&subject, &mut report.wrong).await;
    report.tried.insert(Check::Gone);
    gone(&subject, &mut report.wrong).await;
    report
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
    let message = subject.outbound(Content::text("Hello 你好"));
    channel.send(&message).await
}

/// Whether an attempt ended well.
type Good = Box<dyn Fn(&Result<Receipt, SendError>) -> bool + Send>;

/// Every way an attempt can end.
async fn endings(subject: &Arc<dyn Outgoing>, report: &mut Report) {
    let far = far(subject).await;
    let channel = subject.channel(&far.platform).await;
    let known = channel.capabilities().idempotency_secs.is_some();
    let wrong = &mut report.wrong;
    if let Err(error) = send(subject, &*channel).await {
        wrong.push(format!(
            "A message is not sent though all is well: {error}."
        ));
        return;
    }
    let second = Duration::from_secs(1);
    let pause = subject.pause() - second..=subject.pause() + 2 * second;
    let cases: [(Check, &str, Reply, Good); 5] = [
        (
            Check::Throttled,
            "is asked to wait 7 s",
            subject.throttled(7),
            Box::new(move |end| {
                matches!(end, Err(SendError::RetryAfter(span) | SendError::AccountRetryAfter(span))
                    if pause.contains(span))
            }),
        ),
        (
            Check::Broken,
            "is told that the platform broke",
            subject.broken(),
            Box::new(|end| matches!(end, Err(SendError::Transient(_) | SendError::Uncertain(_)))),
        ),
        (
            Check::Refused,
            "is refused the message",
            subject.refused(),
            Box::new(|end| matches!(end, Err(SendError::Rejected { .. }))),
        ),
        (
            Check::CutOff,
            "gets no answer",
            Reply::Cut,
            Box::new(move |end| {
                matches!(end, Err(SendError::Uncertain(_)))
                    || known && matches!(end, Err(SendError::Transient(_)))
            }),
        ),
        (
            Check::Garbled,
            "gets an answer that is none",
            Reply::bytes(200, "application/json", "{"),
            Box::new(move |end| {
                matches!(end, Ok(_) | Err(SendError::Uncertain(_)))
                    || known && matches!(end, Err(SendError::Transient(_)))
            }),
        ),
    ];
    for (check, what, reply, good) in cases {
        report.tried.insert(check);
        let before = far.platform.calls_to(&subject.path()).len();
        far.platform.next(&subject.path(), reply);
        let end = send(subject, &*channel).await;
        if !good(&end) {
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
    let mut end = send(subject, &*channel).await;
    if matches!(end, Err(SendError::Uncertain(_))) {
        // A connection that was kept and broke under the send may have carried it. The next is new.
        end = send(subject, &*channel).await;
    }
    if !matches!(end, Err(SendError::Transient(_))) {
        wrong.push(format!(
            "A platform that is out of reach ends with {end:?}."
        ));
    }
}
