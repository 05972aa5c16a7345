//! What every channel must carry, whatever its platform: each function is one story, told on a
//! server of its own that is killed and started as the story wants.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tandem_server::shop::{self, Seed, ShopDb};
use tempfile::TempDir;

use super::{PATIENCE, Platform, Trouble};
use crate::{packs, root, server::Server};

/// Lines of the burst.
pub const BURST: usize = 5_000;
/// Customers who count at the same time.
const CUSTOMERS: usize = 12;
/// What each of them says.
const NUMBERS: usize = 6;

/// A pack that says every number again, in order.
pub const COUNTING: &[(&str, &str)] = &[
    (
        "pack.yaml",
        "name: counting\nlocales: [en]\ntime_zone: UTC\ndefault_skill: general\n",
    ),
    ("desk.yaml", "skills: [general]\n"),
    (
        "main.flow.yaml",
        r"
version: 1
slots:
  n: {type: integer}
flows:
  count:
    title: counting
    start_when: {phrases: [start counting]}
    steps:
      - id: next
        collect: n
        always_ask: true
        ask: Next number?
      - say: Got {{ n }}.
      - {goto: next, max: 1000000}
  person:
    title: a person
    start_when: {phrases: [a person please]}
    steps:
      - say: A colleague reads this.
      - handoff: general
",
    ),
];

/// Deaths of the server.
const KILLS: usize = 8;

/// One picture of one dot.
pub const PICTURE: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, b'I', b'H', b'D', b'R', 0, 0, 0,
    1, 0, 0, 0, 1, 8, 4, 0, 0, 0, 0xb5, 0x1c, 0x0c, 0x02, 0, 0, 0, 0x0b, b'I', b'D', b'A', b'T',
    0x78, 0xda, 0x63, 0x64, 0x60, 0, 0, 0, 0x06, 0, 0x02, 0x30, 0x81, 0xd0, 0x2f, 0, 0, 0, 0, b'I',
    b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
];

/// A server with an account of the platform, and what it needs around it.
struct House<'a> {
    platform: &'a dyn Platform,
    server: Server,
    _pack: Option<TempDir>,
}

impl<'a> House<'a> {
    /// With the demo's pack and its shop.
    async fn retail(binary: &str, platform: &'a dyn Platform) -> anyhow::Result<Self> {
        let db = ShopDb::open(None, Seed::Demo)?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/api", listener.local_addr()?);
        // It ends with the test's runtime.
        tokio::spawn(shop::serve(listener, db, None, std::future::pending()));
        let environment = vec![
            ("SHOP_URL".to_owned(), url),
            ("SHOP_TOKEN".to_owned(), "any".to_owned()),
        ];
        Self::start(binary, platform, root().join("flows/retail"), environment).await
    }

    /// With a pack that answers "Got 7." to a 7.
    async fn counting(binary: &str, platform: &'a dyn Platform) -> anyhow::Result<Self> {
        let pack = packs::folder(COUNTING);
        let folder = pack.path().to_path_buf();
        let mut house = Self::start(binary, platform, folder, Vec::new()).await?;
        house._pack = Some(pack);
        Ok(house)
    }

    async fn start(
        binary: &str,
        platform: &'a dyn Platform,
        pack: PathBuf,
        environment: Vec<(String, String)>,
    ) -> anyhow::Result<Self> {
        let mut setup = platform.setup();
        setup.environment.extend(environment);
        let server = Server::start_as(binary, &pack, setup).await?;
        platform.reach(&server.url).await;
        Ok(Self {
            platform,
            server,
            _pack: None,
        })
    }

    async fn kill_and_start(&mut self) -> anyhow::Result<()> {
        self.server.kill().await?;
        self.server.restart().await?;
        self.platform.reach(&self.server.url).await;
        Ok(())
    }

    fn customer(&self, who: &str) -> Customer<'a> {
        Customer {
            platform: self.platform,
            who: who.to_owned(),
            seen: self.platform.board().of(who).len(),
        }
    }

    /// Everyone who is to count has begun.
    async fn counters(&self) -> anyhow::Result<Vec<String>> {
        let names: Vec<String> = (0..CUSTOMERS).map(|n| format!("counter{n}")).collect();
        for name in &names {
            self.platform.write(name, "start counting").await;
        }
        for name in &names {
            let mut customer = self.customer(name);
            customer.seen = 0;
            customer.hears("Next number?").await?;
        }
        Ok(names)
    }

    /// Each of them says the numbers from..to, one after the other.
    async fn count(&self, names: &[String], from: usize, to: usize) {
        for n in from..to {
            for name in names {
                self.platform.write(name, &n.to_string()).await;
            }
        }
    }

    /// Each of them has heard of each number up to here exactly once, in order.
    async fn all_answered(&self, names: &[String], to: usize) -> anyhow::Result<()> {
        self.platform.delivered().await;
        let last = format!("Got {}.", to - 1);
        for name in names {
            self.platform.board().says(name, 0, &last).await?;
        }
        for name in names {
            let told = self.got(name);
            let wanted: Vec<usize> = (1..to).collect();
            ensure!(told == wanted, "{name} was told {told:?}");
        }
        Ok(())
    }

    /// The numbers that a customer was told of.
    fn got(&self, name: &str) -> Vec<usize> {
        let of = self.platform.board().of(name);
        let texts: Vec<String> = of.into_iter().map(|shown| shown.text).collect();
        let text = texts.join("\n");
        let numbers = text.split("Got ").skip(1);
        numbers
            .filter_map(|rest| rest.split('.').next()?.parse().ok())
            .collect()
    }

    /// The one conversation that a line with this text stands in.
    async fn conversation_with(&self, text: &str) -> anyhow::Result<Vec<Value>> {
        let mut seen = Vec::new();
        for conversation in self.server.list("/conversations").await? {
            let id = conversation["id"].as_str().context("it has an id")?;
            let lines = self
                .server
                .list(&format!("/conversations/{id}/messages"))
                .await?;
            seen.push(lines.len());
            if lines
                .iter()
                .any(|line| line["content"].to_string().contains(text))
            {
                return Ok(lines);
            }
        }
        anyhow::bail!("no conversation has {text:?}; they have {seen:?} lines")
    }
}

/// One customer and how much of what they were shown they have read.
struct Customer<'a> {
    platform: &'a dyn Platform,
    who: String,
    seen: usize,
}

impl Customer<'_> {
    async fn hears(&mut self, text: &str) -> anyhow::Result<super::Shown> {
        let (shown, seen) = self
            .platform
            .board()
            .says(&self.who, self.seen, text)
            .await?;
        self.seen = seen;
        Ok(shown)
    }

    /// Writes, and reads the answer.
    async fn asks(&mut self, text: &str, answer: &str) -> anyhow::Result<super::Shown> {
        self.platform.write(&self.who, text).await;
        self.hears(answer)
            .await
            .with_context(|| format!("to {text:?}"))
    }

    /// Presses, and reads the answer.
    async fn presses(&mut self, label: &str, answer: &str) -> anyhow::Result<super::Shown> {
        self.platform.press(&self.who, label).await?;
        self.hears(answer)
            .await
            .with_context(|| format!("to the button {label:?}"))
    }
}

/// Two customers at the same time: one looks for a parcel and goes through the menus in English,
/// the other sends cushions back in Chinese. Nothing they are told comes twice.
///
/// # Errors
/// The first thing that was not as it must be.
pub async fn conversations(binary: &str, platform: &dyn Platform) -> anyhow::Result<()> {
    let house = House::retail(binary, platform).await?;
    let english = async {
        let mut ann = house.customer("ann");
        ann.asks("where is my order?", "order number").await?;
        ann.asks("12345678", "e-mail").await?;
        ann.asks("ann@example.com", "on its way").await?;
        ann.asks("help", "").await?;
        ann.presses("Delivery", "").await?;
        ann.asks("do you deliver abroad?", "deliver").await?;
        anyhow::Ok(())
    };
    let chinese = async {
        let mut fang = house.customer("王芳");
        fang.asks("我要退货", "订单号").await?;
        fang.asks("６６６６６６６６，wangfang@example.com", "哪")
            .await?;
        fang.presses("蕨叶抱枕", "").await?;
        fang.presses("不想要了", "几").await?;
        fang.asks("两个", "蕨叶抱枕").await?;
        fang.asks("对", "退货").await?;
        anyhow::Ok(())
    };
    let (english, chinese) = tokio::join!(english, chinese);
    english.context("in English")?;
    chinese.context("in Chinese")?;
    // One event more, handled by the same account after all of it: what was on its way is there.
    let mut last = house.customer("last");
    last.asks("hello", "").await?;
    for who in ["ann", "王芳"] {
        let mut texts: Vec<String> = platform
            .board()
            .of(who)
            .into_iter()
            .map(|s| s.text)
            .collect();
        let told = texts.len();
        texts.sort_unstable();
        texts.dedup();
        ensure!(
            texts.len() == told,
            "{who} was told something twice: {texts:#?}"
        );
    }
    Ok(())
}

/// A picture that a customer sends is kept here, and the flow goes on from it.
///
/// # Errors
/// The first thing that was not as it must be.
pub async fn media(binary: &str, platform: &dyn Platform) -> anyhow::Result<()> {
    let house = House::retail(binary, platform).await?;
    let mut ann = house.customer("ann");
    platform.picture("ann", PICTURE).await;
    ann.hears("").await?;
    let file = tokio::time::timeout(PATIENCE, async {
        loop {
            let found = stored(&house).await?;
            if let Some(found) = found {
                return anyhow::Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .context("the picture was not fetched")??;
    ensure!(
        file == PICTURE,
        "the picture has {} other bytes",
        file.len()
    );
    Ok(())
}

/// The bytes of the first file that stands in a transcript.
async fn stored(house: &House<'_>) -> anyhow::Result<Option<Vec<u8>>> {
    for conversation in house.server.list("/conversations").await? {
        let id = conversation["id"].as_str().context("it has an id")?;
        let path = format!("/conversations/{id}/messages");
        for line in house.server.list(&path).await? {
            for part in line["content"]["parts"].as_array().into_iter().flatten() {
                let reference = part["ref"].as_str().unwrap_or_default();
                if let Some(file) = reference.strip_prefix("file:") {
                    return house.server.file(file).await;
                }
            }
        }
    }
    Ok(None)
}

/// Thousands of messages of one customer stand in the transcript in the order they were written.
///
/// # Errors
/// The first thing that was not as it must be.
pub async fn burst(binary: &str, platform: &dyn Platform) -> anyhow::Result<()> {
    let house = House::counting(binary, platform).await?;
    let mut bob = house.customer("bob");
    bob.asks("a person please", "A colleague reads this.")
        .await?;
    for n in 0..BURST {
        platform.write("bob", &format!("line {n}")).await;
    }
    platform.delivered().await;
    let last = format!("line {}\"", BURST - 1);
    // What was confirmed is worked off in a moment.
    let mut lines = house.conversation_with(&last).await;
    for _ in 0..600 {
        if lines.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        lines = house.conversation_with(&last).await;
    }
    let lines = lines?;
    let numbers: Vec<usize> = lines
        .iter()
        .filter(|line| line["author"]["kind"] == "contact")
        .filter_map(|line| {
            let text = line["content"]["parts"][0]["text"].as_str()?;
            text.strip_prefix("line ")?.parse().ok()
        })
        .collect();
    let inversions = numbers.windows(2).filter(|two| two[0] > two[1]).count();
    ensure!(inversions == 0, "{inversions} inversions");
    ensure!(
        numbers == (0..BURST).collect::<Vec<_>>(),
        "{} of {BURST} lines stand there",
        numbers.len()
    );
    Ok(())
}

/// The platform asks for patience, fails, and cuts a connection after it took a message: every
/// number is answered exactly once, in order, but for what may have arrived, which is not sent
/// again.
///
/// # Errors
/// The first thing that was not as it must be.
pub async fn trouble(binary: &str, platform: &dyn Platform) -> anyhow::Result<()> {
    let house = House::counting(binary, platform).await?;
    let names = house.counters().await?;
    platform.trouble(Trouble::Throttle { sends: 5 });
    house.count(&names, 1, 3).await;
    house
        .all_answered(&names, 3)
        .await
        .context("when throttled")?;
    platform.trouble(Trouble::Fail { sends: 5 });
    house.count(&names, 3, 5).await;
    house
        .all_answered(&names, 5)
        .await
        .context("when failing")?;
    // Taken, and no answer: it may be sent again only where the platform knows it by its key.
    platform.trouble(Trouble::CutAfterAccept { sends: 3 });
    house.count(&names, 5, NUMBERS).await;
    house
        .all_answered(&names, NUMBERS)
        .await
        .context("when cut")?;
    platform.trouble(Trouble::Drop);
    house.count(&names, NUMBERS, NUMBERS + 3).await;
    let to = NUMBERS + 3;
    house.all_answered(&names, to).await.context("when dropped")
}

/// The server is killed again and again while customers write, and the platform repeats what it
/// is not sure of: every number is answered exactly once, in order.
///
/// # Errors
/// The first thing that was not as it must be.
pub async fn kills(binary: &str, platform: &dyn Platform) -> anyhow::Result<()> {
    let mut house = House::counting(binary, platform).await?;
    let names = house.counters().await?;
    for round in 0..KILLS {
        let from = 1 + round * 2;
        house.count(&names, from, from + 2).await;
        // At another moment of the work each time.
        tokio::time::sleep(Duration::from_millis(20 + 40 * round as u64)).await;
        house.kill_and_start().await?;
        platform.repeat(CUSTOMERS).await;
    }
    platform.delivered().await;
    let last = 2 * KILLS;
    for name in &names {
        platform.write(name, &(last + 1).to_string()).await;
    }
    platform.delivered().await;
    let mut uncertain = 0;
    for name in &names {
        let text = format!("Got {}.", last + 1);
        platform.board().says(name, 0, &text).await?;
        let told = house.got(name);
        let mut once = told.clone();
        once.dedup();
        ensure!(told == once, "{name} was told twice: {told:?}");
        ensure!(told.is_sorted(), "{name} was told out of order: {told:?}");
        uncertain += last + 1 - told.len();
    }
    // What was on the wire when the server died may have arrived: without a key of the platform's
    // it is not sent again, and a person is told. Everything else is answered.
    let open = house.server.list("/dead-letters").await?.len();
    ensure!(
        uncertain <= open,
        "{uncertain} numbers went unanswered, and {open} sends are known to be uncertain"
    );
    Ok(())
}

/// The configuration of one account under `channels`, for [`Platform::setup`].
#[must_use]
pub fn account(channel: &str, name: &str, settings: Value) -> Value {
    json!({"channels": {channel: {"accounts": {name: settings}}}})
}
