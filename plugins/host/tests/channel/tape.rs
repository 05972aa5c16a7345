//! A channel that misbehaves as it is told, and its far side.

use super::*;

/// The far side of [`Tape`]: what was not confirmed is read again. By the names of its settings.
pub static FAR: Mutex<BTreeMap<String, Far>> = Mutex::new(BTreeMap::new());

#[derive(Default)]
pub struct Far {
    pub waiting: std::collections::VecDeque<u32>,
    pub sent: Vec<String>,
}

pub fn far() -> MutexGuard<'static, BTreeMap<String, Far>> {
    FAR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a tape and writes to it, and misbehaves as it is told.
pub struct Tape {
    name: String,
    host: Host,
    stop: tandem_plugin_sdk::Stop,
}

/// Runs of [`Tape`]s that do not come back.
pub static HUNG: AtomicU32 = AtomicU32::new(0);

impl Plugin for Tape {
    type Config = Value;

    fn about() -> About {
        About::new("tape", "0.1.0").concurrency(4)
    }

    fn create(config: Value, host: Host) -> Result<Self, Error> {
        Ok(Self {
            name: config["name"].as_str().unwrap().to_owned(),
            host,
            stop: tandem_plugin_sdk::Stop::new(),
        })
    }
}

impl tandem_plugin_sdk::Channel for Tape {
    fn open(&self) -> Result<Capabilities, Error> {
        match self.name.as_str() {
            "closed" => Err(Error::new("config", "there is no such tape")),
            "odd" => Ok(json!({"text": {"max": 1}})),
            "panics" => panic!("as the test wants it"),
            _ => Ok(json!({"text": {"max": 400}, "in_band_ms": 500, "addresses": ["tape"]})),
        }
    }

    fn run(&self) -> Result<(), Error> {
        match self.name.as_str() {
            "refused" => return Err(Error::new("unauthorized", "wrong ribbon")),
            "hangs" => {
                HUNG.fetch_add(1, Ordering::SeqCst);
                // Deaf to its end, for as long as the test lives.
                while !self.stop.within(Duration::from_secs(1)) || self.name == "hangs" {}
            }
            _ => {}
        }
        while !self.stop.is_stopped() {
            let next = far()
                .get(&self.name)
                .and_then(|far| far.waiting.front().copied());
            let Some(number) = next else {
                let _ = self.stop.within(Duration::from_millis(1));
                continue;
            };
            let event = Inbound::text(&number.to_string(), "ada", 1, &number.to_string());
            match self.host.inbox().accept(&[event]) {
                // Only now the platform may forget it.
                Ok(_) => {
                    far().get_mut(&self.name).unwrap().waiting.pop_front();
                }
                Err(HostError::Busy | HostError::Failed(_)) => {}
                Err(error) => return Err(Error::new("lost", error)),
            }
        }
        Ok(())
    }

    fn stop(&self) {
        self.stop.stop();
    }

    fn send(&self, message: Outbound, meta: &Meta) -> Result<Receipt, SendErrorOf> {
        assert_eq!(meta.idempotency_key.as_deref(), Some(message.uuid.as_str()));
        if let Some(wire::Part::Media(media)) = message.content.parts.first() {
            let file = self
                .host
                .media(&media.reference)
                .map_err(HostError::before_send)?;
            let (name, size) = (file.name.as_deref(), file.data.0.len());
            let text = format!("{} {} {size}", name.unwrap_or("-"), file.mime);
            far().get_mut(&self.name).unwrap().sent.push(text);
            return Ok(Receipt::default());
        }
        match message.content.plain().as_str() {
            "panic" => panic!("as the test wants it"),
            "hang" => loop {
                let _ = self.stop.within(Duration::from_secs(1));
            },
            "wait" => Err(SendErrorOf::RetryAfter(Duration::from_secs(1 << 40))),
            "ids" => Ok(Receipt {
                native_ids: vec![String::new()],
            }),
            text => {
                let mut far = far();
                far.get_mut(&self.name).unwrap().sent.push(text.to_owned());
                Ok(Receipt {
                    native_ids: vec!["t1".to_owned()],
                })
            }
        }
    }

    fn http(&self, request: HttpRequest, _: &Meta) -> Result<HttpResponse, Error> {
        let inbox = self.host.inbox();
        match request.path.as_str() {
            "/panic" => panic!("as the test wants it"),
            "/later" => Err(Error::new("full", "later").retry_after(Duration::from_millis(1500))),
            "/fail" => Err(Error::new("fail", "no")),
            "/in-band" => {
                let event = Inbound::text("asked", "ada", 1, "now?");
                let accepted = inbox.accept(&[event]).unwrap();
                let tandem_plugin_sdk::wire::Accepted::New(id) = &accepted[0] else {
                    return Ok(HttpResponse::status(200));
                };
                let claim = inbox.reply_within(id, 400).unwrap().unwrap();
                let words = claim.outbound[0].content.plain();
                inbox.settle(&claim.claim, Ok(&Receipt::default())).unwrap();
                let again = inbox.settle(&claim.claim, Ok(&Receipt::default()));
                assert!(matches!(again, Err(HostError::BadInput(_))), "{again:?}");
                Ok(HttpResponse::status(200).body("text/plain", words))
            }
            path => {
                let said = json!({"path": path, "query": request.query, "method": request.method});
                Ok(HttpResponse::status(200).body("application/json", said.to_string()))
            }
        }
    }

    fn fetch(
        &self,
        media: tandem_plugin_sdk::wire::Media,
        _: &Meta,
    ) -> Result<Fetched, SendErrorOf> {
        match media.reference.as_str() {
            "panic" => panic!("as the test wants it"),
            "gone" => Err(SendErrorOf::Rejected {
                code: "404".into(),
                message: "no more".into(),
            }),
            _ => Ok(Fetched {
                mime: Some(media.mime),
                data: tandem_plugin_sdk::Bytes(b"bytes".to_vec()),
            }),
        }
    }
}

type SendErrorOf = tandem_plugin_sdk::SendError;

implement_plugin!(Tape: channel);

/// A tape of this name, over a host of its own.
pub struct Taped {
    pub plugins: Arc<Plugins>,
    pub channel: Arc<dyn Channel>,
    pub sink: MemorySink,
    pub account: Account,
    _all: tempfile::TempDir,
}

impl Taped {
    pub async fn new(name: &str) -> Self {
        let World { plugins, _all, .. } = World::with(
            tandem_plugin_host::Limits {
                stop: Duration::from_millis(300),
                ..common::limits()
            },
            Arc::new(NoServices),
        );
        far().insert(name.to_owned(), Far::default());
        let plugins = Arc::new(plugins);
        let kind = kind::<Tape>(&plugins);
        let opened = kind.open(opening("tape", name, json!({"name": name})));
        Self {
            channel: opened.await.unwrap(),
            plugins,
            sink: MemorySink::new(),
            account: fake::account("tape", name),
            _all,
        }
    }

    pub fn inbox(&self) -> Inbox {
        Inbox::new(self.account.clone(), Arc::new(self.sink.clone()))
    }

    pub fn plugin(&self) -> Arc<tandem_plugin_host::Plugin> {
        let name = format!("tape.{}", self.account.id);
        self.plugins.get(&name).unwrap()
    }

    pub async fn send(&self, text: &str) -> Result<tandem_domain::channel::Receipt, SendError> {
        let message = fake::outbound(&self.account, "ada", Content::text(text));
        self.channel.send(&message).await
    }

    pub fn run(&self, stop: &Stop) -> tokio::task::JoinHandle<Result<(), ChannelError>> {
        let (channel, inbox, stop) = (self.channel.clone(), self.inbox(), stop.clone());
        tokio::spawn(async move { channel.run(inbox, stop).await })
    }

    /// Every event arrived once and in order, and each of these messages left once.
    pub fn each_once(&self, events: u32, mut messages: Vec<String>) {
        let texts: Vec<String> = self.sink.events().iter().map(|e| e.text()).collect();
        let expected: Vec<String> = (0..events).map(|n| n.to_string()).collect();
        assert_eq!(texts, expected);
        let mut left = far()[self.account.id.as_str()].sent.clone();
        left.sort();
        messages.sort();
        assert_eq!(left, messages, "each message left once");
    }

    pub async fn call(&self, path: &str) -> (u16, axum::http::HeaderMap, String) {
        let router = self.channel.routes(self.inbox());
        let request = axum::http::Request::post(path).body(axum::body::Body::empty());
        let answered = tower::ServiceExt::oneshot(router, request.unwrap()).await;
        let (parts, body) = answered.unwrap().into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        (parts.status.as_u16(), parts.headers, body)
    }
}

pub async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
