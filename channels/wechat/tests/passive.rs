//! Answers in WeChat's own request: shared by its repetitions, written once, and left to a
//! customer-service message where none of them could carry it. Time stands still but for waits.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use common::{account, envelope, plain_signature, post, seal, settings, xml};
use serde_json::{Value, json};
use tandem_channel_kit::{
    Accepted, Account, Claim, File, Inbox, InboxError, NewFile, ReplyClaim, Sink,
    fake::{self, MemorySink},
};
use tandem_channel_wechat::{Family, fields};
use tandem_domain::{
    FileId, InboxId, LaneId, MessageId,
    bus::Listener,
    channel::{Receipt, SendError},
    message::{Choice, Content, Delivery, Inbound},
    store::{FileRow, Message},
};
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt as _;

/// A house whose bot answers after a while. The answer can be had once.
#[derive(Clone)]
struct House {
    memory: MemorySink,
    /// When the answer is there; none where nothing is said.
    ready: Option<Instant>,
    content: Content,
    claimed: Arc<AtomicU32>,
    ends: Arc<Mutex<Vec<String>>>,
}

struct End(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Claim for End {
    async fn written(self: Box<Self>, _: Receipt) {
        self.0.lock().unwrap().push("written".to_owned());
    }

    async fn failed(self: Box<Self>, error: SendError) {
        self.0.lock().unwrap().push(format!("{error:?}"));
    }
}

#[async_trait]
impl Sink for House {
    async fn accept(
        &self,
        account: &Account,
        events: Vec<Inbound>,
    ) -> Result<Vec<Accepted>, InboxError> {
        self.memory.accept(account, events).await
    }

    async fn reply_within(
        &self,
        account: &Account,
        _: InboxId,
        limit: Duration,
        most: usize,
    ) -> Option<ReplyClaim> {
        assert_eq!(most, 1);
        let ready = self.ready?;
        let left = ready.saturating_duration_since(Instant::now());
        sleep(left.min(limit)).await;
        if left >= limit || self.claimed.fetch_add(1, Ordering::SeqCst) > 0 {
            return None;
        }
        let outbound = fake::outbound(account, "oUser1", self.content.clone());
        Some(ReplyClaim::new(
            vec![outbound],
            Box::new(End(self.ends.clone())),
        ))
    }

    async fn settled(
        &self,
        account: &Account,
        id: InboxId,
        limit: Duration,
    ) -> Option<Arc<Vec<Message>>> {
        self.memory.settled(account, id, limit).await
    }

    async fn transcript(
        &self,
        account: &Account,
        lane: LaneId,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<Message>, InboxError> {
        self.memory.transcript(account, lane, after, limit).await
    }

    async fn receipt(
        &self,
        account: &Account,
        lane: LaneId,
        up_to: MessageId,
        status: Delivery,
    ) -> Result<(), InboxError> {
        self.memory.receipt(account, lane, up_to, status).await
    }

    fn typing(&self, account: &Account, lane: LaneId, agent: bool) {
        self.memory.typing(account, lane, agent);
    }

    fn listen(&self, account: &Account, lane: LaneId) -> Box<dyn Listener> {
        self.memory.listen(account, lane)
    }

    async fn store_file(
        &self,
        account: &Account,
        lane: LaneId,
        file: NewFile,
    ) -> Result<FileRow, InboxError> {
        self.memory.store_file(account, lane, file).await
    }

    fn account(&self, account: &Account, address: &str) -> Option<Account> {
        self.memory.account(account, address)
    }

    async fn keep_unknown(
        &self,
        account: &Account,
        reason: String,
        body: Vec<u8>,
    ) -> Result<(), InboxError> {
        self.memory.keep_unknown(account, reason, body).await
    }

    async fn load_file(&self, account: &Account, id: FileId) -> Result<Option<File>, InboxError> {
        self.memory.load_file(account, id).await
    }
}

const FAMILY: Family = Family::OfficialAccount;

impl House {
    fn new(secs: Option<u64>, content: Content) -> Self {
        Self {
            memory: MemorySink::new(),
            ready: secs.map(|secs| Instant::now() + Duration::from_secs(secs)),
            content,
            claimed: Arc::default(),
            ends: Arc::default(),
        }
    }

    fn router(&self, changes: &Value) -> Router {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(FAMILY, "http://127.0.0.1:9", changes);
        let channel = common::channel_of(settings, folder.path());
        assert_eq!(channel.in_band(), Some(Duration::from_secs(15)));
        channel.routes(Inbox::new(account(FAMILY), Arc::new(self.clone())))
    }

    fn ends(&self) -> Vec<String> {
        self.ends.lock().unwrap().clone()
    }
}

/// A message of a moment ago, as its platform's clock says.
fn question() -> (String, String) {
    let now = tandem_domain::Timestamp::now().0 / 1000;
    let plain = xml("oUser1", 7, "hi").replace(&common::NOW.to_string(), &now.to_string());
    envelope(FAMILY, &plain)
}

/// What the customer reads of a sealed answer.
fn opened(body: &str) -> Value {
    let outer = fields::read(body.as_bytes()).unwrap();
    let field = |name: &str| fields::text(&outer, name).unwrap();
    let (encrypt, time, nonce) = (field("Encrypt"), field("TimeStamp"), field("Nonce"));
    assert!(seal().admits(&field("MsgSignature"), &time, &nonce, &encrypt));
    fields::read(&seal().open(&encrypt).unwrap()).unwrap()
}

/// WeChat asks, and gives up after five seconds.
async fn ask(router: &Router, uri: &str, body: &str) -> Option<(StatusCode, String)> {
    let asked = post(router, uri, body.to_owned());
    timeout(Duration::from_secs(5), asked).await.ok()
}

#[tokio::test(start_paused = true)]
async fn a_prompt_answer_stands_in_the_request_and_a_repetition_has_none() {
    let choice = Choice {
        label: "查订单".to_owned(),
        value: "track".to_owned(),
        url: None,
    };
    let house = House::new(
        Some(1),
        Content {
            choices: vec![choice],
            ..Content::text("您好！")
        },
    );
    let router = house.router(&json!({}));
    let (uri, body) = question();
    let (status, said) = ask(&router, &uri, &body).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    let read = opened(&said);
    assert_eq!(read["ToUserName"], "oUser1");
    assert_eq!(read["FromUserName"], "gh_1");
    assert_eq!(read["MsgType"], "text");
    let content = fields::text(&read, "Content").unwrap();
    assert!(content.starts_with("您好！"), "{content}");
    assert!(content.contains("msgmenuid=track"), "{content}");
    for _ in 0..3 {
        let again = ask(&router, &uri, &body).await.unwrap();
        assert_eq!(again, (StatusCode::OK, "success".to_owned()));
    }
    tokio::task::yield_now().await;
    assert_eq!(house.ends(), ["written"]);
    assert_eq!(house.memory.events().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_reaches_a_later_asking() {
    for secs in [7, 13] {
        let house = House::new(Some(secs), Content::text("late"));
        let router = house.router(&json!({}));
        let (uri, body) = question();
        let begun = Instant::now();
        let mut asked = 0;
        let (status, said) = loop {
            asked += 1;
            if let Some(answer) = ask(&router, &uri, &body).await {
                break answer;
            }
        };
        assert_eq!(status, StatusCode::OK);
        assert_eq!(opened(&said)["Content"], "late");
        assert_eq!(asked, secs / 5 + 1);
        assert!(begun.elapsed() < Duration::from_secs(secs + 1));
        tokio::task::yield_now().await;
        assert_eq!(house.ends(), ["written"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_later_than_all_askings_is_left_to_the_outbox() {
    let house = House::new(Some(20), Content::text("too late"));
    let router = house.router(&json!({}));
    let (uri, body) = question();
    assert_eq!(ask(&router, &uri, &body).await, None);
    assert_eq!(ask(&router, &uri, &body).await, None);
    let third = ask(&router, &uri, &body).await.unwrap();
    assert_eq!(third, (StatusCode::OK, "success".to_owned()));
    assert_eq!(house.claimed.load(Ordering::SeqCst), 0);
    // After a restart the platform's clock tells which asking it is.
    let router = house.router(&json!({}));
    let old = xml("oUser1", 7, "hi");
    let (uri, body) = envelope(FAMILY, &old);
    let third = ask(&router, &uri, &body).await.unwrap();
    assert_eq!(third, (StatusCode::OK, "success".to_owned()));
    assert_eq!(house.memory.events().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_said_the_platform_is_told_at_once() {
    let house = House::new(None, Content::default());
    let router = house.router(&json!({}));
    let (uri, body) = question();
    let begun = Instant::now();
    let said = ask(&router, &uri, &body).await.unwrap();
    assert_eq!(said, (StatusCode::OK, "success".to_owned()));
    assert!(begun.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn an_answer_nobody_took_goes_out_another_way() {
    // The connection breaks after the answer was decided and before its body was read.
    let house = House::new(Some(1), Content::text("hello"));
    let router = house.router(&json!({}));
    let (uri, body) = question();
    let request = Request::post(&uri).body(Body::from(body)).unwrap();
    drop(router.oneshot(request).await.unwrap());
    tokio::task::yield_now().await;
    assert!(
        matches!(&house.ends()[..], [end] if end.starts_with("Transient")),
        "{:?}",
        house.ends()
    );

    // It breaks before: the commit stays, and so does the answer.
    let house = House::new(Some(2), Content::text("hello"));
    let router = house.router(&json!({}));
    let (uri, body) = question();
    let gone = timeout(Duration::from_secs(1), post(&router, &uri, body)).await;
    assert!(gone.is_err());
    sleep(Duration::from_secs(5)).await;
    assert_eq!(house.memory.events().len(), 1);
    assert!(
        matches!(&house.ends()[..], [end] if end.starts_with("Transient")),
        "{:?}",
        house.ends()
    );
}

#[tokio::test(start_paused = true)]
async fn in_the_plain_mode_the_answer_is_plain() {
    let house = House::new(Some(0), Content::text("a ]]> b"));
    let router = house.router(&json!({"plaintext": true}));
    let (time, nonce) = (common::NOW.to_string(), "n");
    let signature = plain_signature(&time, nonce);
    let uri = format!("/hooks/wechat/a?signature={signature}&timestamp={time}&nonce={nonce}");
    let (status, said) = ask(&router, &uri, &xml("oUser1", 7, "hi")).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    let read = fields::read(said.as_bytes()).unwrap();
    assert_eq!(read["Content"], "a ]]> b");
    let forged = uri.replace("nonce=n", "nonce=m");
    let (status, _) = ask(&router, &forged, &xml("oUser1", 8, "hi"))
        .await
        .unwrap();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(house.memory.events().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_stored_is_asked_for_again() {
    let house = House::new(Some(0), Content::text("hello"));
    let router = house.router(&json!({}));
    let (uri, body) = question();
    house
        .memory
        .fail_next(InboxError::Unavailable("locked".into()));
    let (status, _) = ask(&router, &uri, &body).await.unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let (status, said) = ask(&router, &uri, &body).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(opened(&said)["Content"], "hello");
}

/// The same question by somebody, under an id and with words of its own.
fn says(id: u64, text: &str) -> (String, String) {
    let now = tandem_domain::Timestamp::now().0 / 1000;
    let plain = xml("oUser1", id, text).replace(&common::NOW.to_string(), &now.to_string());
    envelope(FAMILY, &plain)
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_asked_for_with_1() {
    let house = House::new(Some(20), Content::text("here it is"));
    let folder = tempfile::tempdir().unwrap();
    let prompt = json!({"late_prompt": "查询中，请回复 1 查看结果"});
    let channel = common::channel_of(
        settings(FAMILY, "http://127.0.0.1:9", &prompt),
        folder.path(),
    );
    // Until the customer asks, the outbox leaves it alone.
    assert!(channel.in_band().unwrap() > Duration::from_secs(300));
    let router = channel.routes(Inbox::new(account(FAMILY), Arc::new(house.clone())));
    let (uri, body) = says(7, "hi");
    assert_eq!(ask(&router, &uri, &body).await, None);
    assert_eq!(ask(&router, &uri, &body).await, None);
    let (status, said) = ask(&router, &uri, &body).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(opened(&said)["Content"], "查询中，请回复 1 查看结果");
    // Too soon: asked once more, until it is there.
    let (uri, body) = says(8, " １ ");
    let (_, said) = loop {
        if let Some(answer) = ask(&router, &uri, &body).await {
            break answer;
        }
    };
    assert_eq!(opened(&said)["Content"], "here it is");
    let again = ask(&router, &uri, &body).await.unwrap();
    assert_eq!(again, (StatusCode::OK, "success".to_owned()));
    tokio::task::yield_now().await;
    assert_eq!(house.ends(), ["written"]);
    // The 1 was no message of its own; now it is one again.
    assert_eq!(house.memory.events().len(), 1);
    let (uri, body) = says(9, "1");
    ask(&router, &uri, &body).await.unwrap();
    assert_eq!(house.memory.events().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_pressed_entry_of_the_menu_is_read_by_its_words() {
    let house = House::new(None, Content::default());
    let router = house.router(&json!({"menu": [{"label": "查订单", "say": "我的订单到哪了"}]}));
    let click = |key: &str| {
        let plain = xml("oUser1", 7, "hi")
            .replace("<MsgType><![CDATA[text]]>", "<MsgType><![CDATA[event]]>")
            .replace(
                "</xml>",
                &format!("<Event>CLICK</Event><EventKey>{key}</EventKey></xml>"),
            );
        envelope(FAMILY, &plain)
    };
    for key in ["我的订单到哪了", "made elsewhere"] {
        let (uri, body) = click(key);
        ask(&router, &uri, &body).await.unwrap();
    }
    let labels: Vec<_> = house
        .memory
        .events()
        .into_iter()
        .map(|event| match event.kind {
            tandem_domain::message::InboundKind::Action { label, .. } => label,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(labels, [Some("我的订单到哪了".to_owned()), None]);
}
