//! The way in over HTTP: what is signed is taken once, everything else is refused with nothing
//! done.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderName, HeaderValue, Method, StatusCode},
};
use futures::future::join_all;
use tandem_domain::message::Inbound;
use tower::Service as _;

use super::{Check, Report};
use crate::{Account, Channel, Inbox, InboxError, fake::MemorySink};

/// Positions in a body where one bit is turned.
const FLIPS: usize = 400;
/// What is left of a platform's patience for the way back.
const MARGIN: Duration = Duration::from_millis(400);

/// A request as the platform makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    /// Path and query.
    pub uri: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The event's id, in the platform's own form once it is signed.
    pub number: u32,
    pub customer: String,
    pub text: String,
}

/// Where a signature, or something under it, stands beside the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signed {
    Header(&'static str),
    Query(&'static str),
}

/// What a channel's test knows of its platform.
pub trait Webhook: Send + Sync {
    fn account(&self) -> Account;

    /// The channel as after a start: it remembers nothing of its own.
    fn channel(&self) -> Arc<dyn Channel>;

    /// A request that the platform signed a moment ago. Equal words give equal requests.
    fn request(&self, said: &Said) -> Request;

    /// What was asked to be said, out of an event that says it: some platforms put their own around
    /// it.
    fn words(&self, event: &Inbound) -> String {
        event.text()
    }

    /// Without any of these, or with one bit of it turned, a request is refused.
    fn signed(&self) -> Vec<Signed>;

    /// Whether the signature covers the body; a platform where it does not is to be named in the
    /// channel's docs.
    fn signs_body(&self) -> bool {
        true
    }

    /// Whether a changed request means, under its signature, the very same: the case of letters
    /// in hex or percent-encoding, say.
    fn means_the_same(&self, _changed: &Request, _good: &Request) -> bool {
        false
    }

    /// Signed rightly and too old; none where the platform signs no time.
    fn stale(&self, _said: &Said) -> Option<Request> {
        None
    }

    /// Requests that are weaker than the platform's own: unencrypted, an older algorithm, an empty
    /// signature. Each with its name.
    fn downgrades(&self, _said: &Said) -> Vec<(&'static str, Request)> {
        Vec::new()
    }

    /// Signed rightly and of no known form.
    fn not_understood(&self) -> Request;

    /// Whether such a request is kept; where we speak with a page of our own it is answered 400.
    fn keeps_unknown(&self) -> bool {
        true
    }

    /// Longest body that is read, in bytes.
    fn body_limit(&self) -> usize {
        1 << 20
    }

    /// How long the platform waits for an answer.
    fn deadline(&self) -> Duration;
}

/// Runs the suite.
///
/// # Errors
/// Everything the channel did wrong, one sentence each.
pub async fn check(subject: &dyn Webhook) -> Result<(), Vec<String>> {
    report(subject).await.result()
}

/// Runs the suite and tells what there was to try.
pub async fn report(subject: &dyn Webhook) -> Report {
    let mut run = Run {
        subject,
        report: Report::default(),
    };
    run.forgeries().await;
    run.duplicates().await;
    run.burst().await;
    run.trouble().await;
    run.report
}

struct Run<'a> {
    subject: &'a dyn Webhook,
    report: Report,
}

impl Run<'_> {
    fn tried(&mut self, check: Check) {
        self.report.tried.insert(check);
    }

    /// What is not the platform's is refused, and nothing of it done.
    async fn forgeries(&mut self) {
        let said = said(1, "ann");
        let good = self.subject.request(&said);
        let mut forged: Vec<(String, Request)> = Vec::new();
        if self.subject.signs_body() {
            self.tried(Check::Body);
            let step = good.body.len().div_ceil(FLIPS).max(1);
            for at in (0..good.body.len()).step_by(step) {
                let mut request = good.clone();
                request.body[at] ^= 1 << (at % 8);
                forged.push((
                    format!("bit {} of byte {at} of the body turned", at % 8),
                    request,
                ));
            }
        }
        for place in self.subject.signed() {
            let name = match place {
                Signed::Header(name) | Signed::Query(name) => name,
            };
            let Some(value) = read(&good, &place) else {
                self.report
                    .wrong
                    .push(format!("The good request has no `{name}`."));
                continue;
            };
            self.tried(Check::Missing);
            self.tried(match name.contains("timestamp") {
                true => Check::Time,
                false => Check::Signature,
            });
            forged.push((format!("`{name}` missing"), write(&good, &place, None)));
            forged.push((format!("`{name}` empty"), write(&good, &place, Some(b""))));
            for at in 0..value.len() {
                for bit in 0..7 {
                    let mut bytes = value.clone().into_bytes();
                    bytes[at] ^= 1 << bit;
                    let shown = bytes[at].is_ascii_graphic()
                        // In an address some of these mean something, and some cannot stand.
                        && !(matches!(place, Signed::Query(_))
                            && b"&#%+\"<>\\^`{|}".contains(&bytes[at]));
                    if shown {
                        let request = write(&good, &place, Some(&bytes));
                        forged.push((
                            format!("bit {bit} of byte {at} of `{name}` turned"),
                            request,
                        ));
                    }
                }
            }
        }
        if let Some(request) = self.subject.stale(&said) {
            self.tried(Check::Stale);
            forged.push(("a time too old".to_owned(), request));
        }
        for (name, request) in self.subject.downgrades(&said) {
            self.tried(Check::Downgrade);
            forged.push((name.to_owned(), request));
        }
        forged.retain(|(_, request)| !self.subject.means_the_same(request, &good));

        let mut house = House::new(self.subject, MemorySink::new());
        for (name, request) in forged {
            let status = house.call(&request).await;
            if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                self.report.wrong.push(format!(
                    "With {name} a request is answered {status}, not 401 or 403."
                ));
            }
            if !house.sink.events().is_empty() || !house.sink.unknown().is_empty() {
                self.report
                    .wrong
                    .push(format!("With {name} something is done."));
                house = House::new(self.subject, MemorySink::new());
            }
        }
        self.tried(Check::Large);
        let mut long = good.clone();
        long.body = vec![b' '; self.subject.body_limit() + 1];
        let status = house.call(&long).await;
        if status != StatusCode::PAYLOAD_TOO_LARGE {
            self.report
                .wrong
                .push(format!("A body too large is answered {status}, not 413."));
        }
        self.tried(Check::Good);
        let status = house.call(&good).await;
        if !status.is_success() || house.sink.events().len() != 1 {
            self.report.wrong.push(format!(
                "A good request is answered {status} and makes {} events.",
                house.sink.events().len()
            ));
        }
    }

    /// The platform delivers again, also after a restart.
    async fn duplicates(&mut self) {
        self.tried(Check::Again);
        let sink = MemorySink::new();
        let good = self.subject.request(&said(2, "ann"));
        for round in 0..4 {
            // Every second one finds a channel that has just started.
            let mut house = House::new(self.subject, sink.clone());
            if round % 2 == 1 {
                house = House::new(self.subject, sink.clone());
            }
            let status = house.call(&good).await;
            if !status.is_success() {
                self.report.wrong.push(format!(
                    "Delivery {} of the same is answered {status}.",
                    round + 1
                ));
            }
        }
        let events = sink.events().len();
        if events != 1 {
            self.report.wrong.push(format!(
                "The same delivered four times makes {events} events."
            ));
        }
    }

    /// Many at once and out of order: each is taken once.
    async fn burst(&mut self) {
        self.tried(Check::Burst);
        let house = House::new(self.subject, MemorySink::new());
        let mut requests: Vec<Request> = (0..48)
            .map(|n| {
                self.subject
                    .request(&said(100 + n, ["ann", "bo", "cy"][n as usize % 3]))
            })
            .collect();
        // Odd ones first and backwards, each also once more.
        requests.reverse();
        let (odd, even): (Vec<_>, Vec<_>) = requests
            .into_iter()
            .enumerate()
            .partition(|(at, _)| at % 2 == 1);
        let order: Vec<Request> = odd.into_iter().chain(even).map(|(_, r)| r).collect();
        let calls = order
            .iter()
            .chain(&order)
            .map(|request| house.call(request));
        let refused = join_all(calls)
            .await
            .iter()
            .filter(|s| !s.is_success())
            .count();
        if refused > 0 {
            self.report
                .wrong
                .push(format!("Of a burst of 96 requests {refused} are refused."));
        }
        let events = house.sink.events();
        let mut texts: Vec<String> = events.iter().map(|e| self.subject.words(e)).collect();
        texts.sort();
        let mut expected: Vec<String> = (0..48).map(|n| said(100 + n, "").text).collect();
        expected.sort();
        if texts != expected {
            self.report.wrong.push(format!(
                "A burst of 48 messages, each twice, makes {} events.",
                texts.len()
            ));
        }
    }

    /// The house is in trouble, or the bot slow.
    async fn trouble(&mut self) {
        self.tried(Check::Full);
        self.tried(Check::SlowBot);
        let house = House::new(self.subject, MemorySink::new());
        let good = self.subject.request(&said(3, "ann"));
        house
            .sink
            .fail_next(InboxError::Unavailable("locked".into()));
        let status = house.call(&good).await;
        if !status.is_server_error() {
            self.report.wrong.push(format!(
                "An event that could not be stored is answered {status}, and the platform forgets it."
            ));
        }
        let status = house.call(&good).await;
        if !status.is_success() || house.sink.events().len() != 1 {
            self.report.wrong.push(format!(
                "Delivered again after a failure it is answered {status}."
            ));
        }
        for wait in house.sink.waits() {
            if wait + MARGIN > self.subject.deadline() {
                self.report.wrong.push(format!(
                    "It waits {wait:?} for an answer; the platform waits {:?}.",
                    self.subject.deadline()
                ));
            }
        }
        let odd = self.subject.not_understood();
        if !self.subject.keeps_unknown() {
            let status = house.call(&odd).await;
            if status != StatusCode::BAD_REQUEST || house.sink.events().len() != 1 {
                self.report.wrong.push(format!(
                    "What is not understood is answered {status}, not 400."
                ));
            }
            return;
        }
        self.tried(Check::Odd);
        let status = house.call(&odd).await;
        let kept = house.sink.unknown();
        if status != StatusCode::OK || kept.len() != 1 || house.sink.events().len() != 1 {
            self.report.wrong.push(format!(
                "What is signed and not understood is answered {status} and kept {} times.",
                kept.len()
            ));
        }
        house.sink.fail_next(InboxError::Full("no room".into()));
        let status = house.call(&odd).await;
        if !status.is_server_error() {
            self.report.wrong.push(format!(
                "What is not understood and cannot be kept is answered {status}."
            ));
        }
    }
}

/// The channel's routes over a sink.
struct House {
    router: Router,
    sink: MemorySink,
}

impl House {
    fn new(subject: &dyn Webhook, sink: MemorySink) -> Self {
        let inbox = Inbox::new(subject.account(), Arc::new(sink.clone()));
        Self {
            router: subject.channel().routes(inbox),
            sink,
        }
    }

    async fn call(&self, request: &Request) -> StatusCode {
        let mut http = axum::http::Request::builder()
            .method(request.method.clone())
            .uri(&request.uri)
            .body(Body::from(request.body.clone()))
            .expect("a request of the suite has a good address");
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_bytes(value.as_bytes());
            if let (Ok(name), Ok(value)) = (name, value) {
                http.headers_mut().append(name, value);
            }
        }
        match self.router.clone().call(http).await {
            Ok(response) => response.status(),
            Err(never) => match never {},
        }
    }
}

fn said(number: u32, customer: &str) -> Said {
    Said {
        number,
        customer: customer.to_owned(),
        text: format!("message {number} 你好"),
    }
}

fn read(request: &Request, place: &Signed) -> Option<String> {
    match place {
        Signed::Header(name) => request
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone()),
        Signed::Query(name) => {
            let (_, query) = request.uri.split_once('?')?;
            query.split('&').find_map(|pair| {
                let (known, value) = pair.split_once('=')?;
                (known == *name).then(|| value.to_owned())
            })
        }
    }
}

/// The request with another value there, or none.
fn write(request: &Request, place: &Signed, value: Option<&[u8]>) -> Request {
    let mut request = request.clone();
    let value = value.map(|v| String::from_utf8_lossy(v).into_owned());
    match place {
        Signed::Header(name) => {
            request
                .headers
                .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            request
                .headers
                .extend(value.map(|value| ((*name).to_owned(), value)));
        }
        Signed::Query(name) => {
            let (path, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
            let mut pairs: Vec<String> = query
                .split('&')
                .filter(|pair| pair.split('=').next() != Some(name) && !pair.is_empty())
                .map(str::to_owned)
                .collect();
            pairs.extend(value.map(|value| format!("{name}={value}")));
            request.uri = format!("{path}?{}", pairs.join("&"));
        }
    }
    request
}
