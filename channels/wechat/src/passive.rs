//! Answers written into WeChat's own request. It waits five seconds and asks three times with the
//! same message; whichever request is open when the answer comes carries it, and nothing else does.
//!
//! A request that gets no answer in time is left open until WeChat gives it up: that is what makes
//! it ask again. The last one is told that all is well, and what comes later goes as a
//! customer-service message; or, where the account may send none, it asks the customer to write 1,
//! and the request of that message carries the answer.

use std::{
    convert::Infallible,
    num::NonZeroUsize,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::Response,
};
use hyper::body::{Frame, SizeHint};
use lru::LruCache;
use ring::rand::{SecureRandom as _, SystemRandom};
use tandem_channel_kit::{
    Inbox, InboxError, ReplyClaim,
    hook::{self, Refused},
};
use tandem_domain::{
    InboxId, Timestamp,
    channel::{Receipt, SendError},
    message::{Inbound, InboundKind, Outbound},
};
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    channel::Shared,
    family::{ASKS, MARGIN, PATIENCE},
    hook::success,
    inbound::Heard,
    outbound,
};

/// Messages whose requests are counted.
const COUNTED: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");
/// Requests further apart are not one asking.
const ASKING: Duration = Duration::from_secs(60);
/// How long a request is left open for WeChat to give it up.
const OPEN: Duration = Duration::from_secs(2);
/// An answer that is decided by then is still written.
const DECIDED: Duration = Duration::from_millis(100);

/// How often each message was asked about, and whose answer was late.
pub(crate) struct Asks {
    counts: Mutex<LruCache<String, (Instant, u32)>>,
    late: Mutex<LruCache<String, Late>>,
}

/// A customer was told to ask for their answer.
#[derive(Clone)]
struct Late {
    /// What it answers.
    id: InboxId,
    /// The message that asked for it and got it.
    taken_by: Option<String>,
}

/// What a message means where an answer was late.
enum Wanted {
    /// Words like any other.
    Nothing,
    Answer(InboxId),
    /// It is the message that got it, once more.
    Taken,
}

impl Default for Asks {
    fn default() -> Self {
        Self {
            counts: Mutex::new(LruCache::new(COUNTED)),
            late: Mutex::new(LruCache::new(COUNTED)),
        }
    }
}

impl Asks {
    /// Counts one more request for this message: which one it is, from 1.
    fn count(&self, id: &str) -> u32 {
        let mut known = lock(&self.counts);
        let now = Instant::now();
        let before = known
            .get(id)
            .filter(|(first, _)| now.duration_since(*first) < ASKING)
            .copied();
        let (first, count) = before.unwrap_or((now, 0));
        known.put(id.to_owned(), (first, count + 1));
        count + 1
    }

    fn wanted(&self, event: &Inbound) -> Wanted {
        let words = event.text();
        if event.kind != InboundKind::Message || !matches!(words.trim(), "1" | "１") {
            return Wanted::Nothing;
        }
        match lock(&self.late).get(&event.sender.id) {
            Some(Late { id, taken_by: None }) => Wanted::Answer(*id),
            Some(late) if late.taken_by.as_ref() == Some(&event.id) => Wanted::Taken,
            _ => Wanted::Nothing,
        }
    }

    fn late(&self, customer: &str, id: InboxId, taken_by: Option<String>) {
        lock(&self.late).put(customer.to_owned(), Late { id, taken_by });
    }

    fn forget(&self, customer: &str) {
        lock(&self.late).pop(customer);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request of WeChat's.
pub(crate) struct Request {
    pub heard: Heard,
    /// The opened message.
    pub message: Vec<u8>,
    /// It came encrypted, and so goes the answer.
    pub sealed: bool,
    pub begun: Instant,
}

/// What becomes of a request.
enum Outcome {
    /// To be written into it.
    Said(Said),
    /// Committed, and nothing is to be said, or another request carries it.
    Nothing,
    /// Committed, and the answer is not here yet.
    Late,
    /// The same, and the customer is told how to ask for it.
    Asked(String),
    Failed(InboxError),
}

struct Said {
    document: String,
    claim: ReplyClaim,
}

/// Commits the event, waits for what is said to it, and writes that.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    inbox: Inbox,
    request: Request,
) -> Result<Response, Refused> {
    let begun = request.begun;
    let age = Timestamp::now().since(request.heard.inbound.ts);
    let asked = shared.asks.count(&request.heard.inbound.id);
    // The platform's own clock helps where we were started in between.
    let last = asked >= ASKS || age >= PATIENCE * (ASKS - 1);
    let until = begun + PATIENCE - MARGIN;
    let time = Time { until, last };
    let (tell, told) = oneshot::channel();
    // On a task of its own: WeChat may give up the request, and the commit must not go with it.
    tokio::spawn(async move {
        let outcome = work(&shared, &inbox, request, time, || tell.is_closed()).await;
        if let Err(Outcome::Said(said)) = tell.send(outcome) {
            said.take_back().await;
        }
    });
    let committed = match timeout_at(until + DECIDED, told).await {
        Ok(Ok(Outcome::Said(said))) => return Ok(response(said.document, Some(said.claim))),
        Ok(Ok(Outcome::Asked(document))) => return Ok(response(document, None)),
        Ok(Ok(Outcome::Nothing)) => return Ok(success()),
        Ok(Ok(Outcome::Failed(error))) => return Err(error.into()),
        Ok(Ok(Outcome::Late)) => true,
        Ok(Err(_)) => return Err(Refused::Later("the turn failed".to_owned())),
        Err(_) => false,
    };
    if last && committed {
        return Ok(success());
    }
    if !last {
        sleep_until(begun + PATIENCE + OPEN).await;
    }
    Err(Refused::Later("the answer is not here yet".to_owned()))
}

/// How much of it a request has.
#[derive(Clone, Copy)]
struct Time {
    until: Instant,
    /// WeChat does not ask again.
    last: bool,
}

async fn work(
    shared: &Shared,
    inbox: &Inbox,
    request: Request,
    Time { until, last }: Time,
    given_up: impl Fn() -> bool,
) -> Outcome {
    let Request {
        heard: Heard { to, inbound },
        message,
        sealed,
        ..
    } = request;
    let (customer, asking) = (inbound.sender.id.clone(), inbound.id.clone());
    let late = |id: InboxId| match &shared.settings.late_prompt {
        Some(prompt) if last => {
            shared.asks.late(&customer, id, None);
            let said = outbound::Said::Text(prompt.clone());
            match written(shared, &to, &customer, &said, sealed) {
                Ok(document) => Outcome::Asked(document),
                Err(_) => Outcome::Late,
            }
        }
        _ => Outcome::Late,
    };
    match shared.asks.wanted(&inbound) {
        Wanted::Nothing => {}
        Wanted::Taken => return Outcome::Nothing,
        Wanted::Answer(id) => {
            let left = until.saturating_duration_since(Instant::now());
            match inbox.reply_within(id, left, 1).await {
                Some(claim) => {
                    shared.asks.late(&customer, id, Some(asking));
                    return said(shared, claim, &to, sealed, until).await;
                }
                None if Instant::now() >= until => return late(id),
                // Nothing waits any more: these are words like any other.
                None => shared.asks.forget(&customer),
            }
        }
    }
    let accepted = match hook::take(inbox, vec![inbound], &message).await {
        Ok(accepted) => accepted,
        Err(error) => return Outcome::Failed(error),
    };
    let Some(id) = accepted.first().and_then(|accepted| accepted.id()) else {
        return Outcome::Nothing;
    };
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() || given_up() {
        return late(id);
    }
    let Some(claim) = inbox.reply_within(id, left, 1).await else {
        // Nothing after the whole wait is not the same as nothing at all.
        return match Instant::now() < until {
            true => Outcome::Nothing,
            false => late(id),
        };
    };
    said(shared, claim, &to, sealed, until).await
}

/// What is claimed, as it is to be written.
async fn said(
    shared: &Shared,
    claim: ReplyClaim,
    to: &str,
    sealed: bool,
    until: Instant,
) -> Outcome {
    let Some(outbound) = claim.outbound.first() else {
        return Outcome::Nothing;
    };
    match document(shared, outbound, to, sealed, until).await {
        Ok(document) => {
            tracing::info!(account = %shared.account.id, outbox = %outbound.uuid, "Answered in WeChat's own request.");
            Outcome::Said(Said { document, claim })
        }
        Err(error) => {
            // It goes as a customer-service message.
            claim.failed(error).await;
            Outcome::Nothing
        }
    }
}

/// The answer as it stands in the response.
async fn document(
    shared: &Shared,
    outbound: &Outbound,
    from: &str,
    sealed: bool,
    until: Instant,
) -> Result<String, SendError> {
    let said = timeout_at(until, shared.said(outbound))
        .await
        .map_err(|_| SendError::Transient("there was no time to upload the file".into()))??;
    written(shared, from, &outbound.conversation.id, &said, sealed)
}

/// In the form of an answer, and sealed where the question was.
fn written(
    shared: &Shared,
    from: &str,
    to: &str,
    said: &outbound::Said,
    sealed: bool,
) -> Result<String, SendError> {
    let at = Timestamp::now().0 / 1000;
    let limit = shared.settings.family.capabilities().text.max;
    let document = outbound::passive(from, to, at, said, limit);
    if !sealed {
        return Ok(document);
    }
    let mut random = [0; 24];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| SendError::Transient("the system gives no random numbers".into()))?;
    let (before, nonce) = random.split_at(16);
    let nonce = hex::encode(nonce);
    let time = at.to_string();
    let before = before.try_into().unwrap_or_default();
    let sealed = shared.seal.seal(document.as_bytes(), before, &time, &nonce);
    Ok(sealed.envelope(&time, &nonce))
}

impl Said {
    /// Nobody listens any more: another request, or the outbox, takes it.
    async fn take_back(self) {
        let why = "WeChat gave up the request before the answer was written";
        self.claim.failed(SendError::Transient(why.into())).await;
    }
}

fn response(document: String, claim: Option<ReplyClaim>) -> Response {
    let body = Written {
        bytes: Some(Bytes::from(document)),
        claim,
    };
    let mut response = Response::new(Body::new(body));
    let kind = HeaderValue::from_static("text/xml; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A body that knows whether it was taken: only then the message counts as sent.
struct Written {
    bytes: Option<Bytes>,
    claim: Option<ReplyClaim>,
}

impl hyper::body::Body for Written {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let (Some(claim), Ok(runtime)) = (self.claim.take(), Handle::try_current()) else {
            return;
        };
        let taken = self.bytes.is_none();
        runtime.spawn(async move {
            match taken {
                true => claim.written(Receipt::default()).await,
                false => {
                    let why = "the connection was gone before the answer was written";
                    claim.failed(SendError::Transient(why.into())).await;
                }
            }
        });
    }
}
