//! `tandem trace`: why the bot did what it did, turn by turn; and why it reads a message as it does.

use std::{io::Write as _, path::PathBuf};

use anyhow::{Context as _, bail};
use tandem_domain::{
    ConversationId, Locale, WorkspaceId,
    reading::{Reading, Target, Trainer as _},
};
use tandem_engine::journal::{Entry, Steps};
use tandem_flow::step::Event;
use tandem_understanding::{
    PhraseTrainer,
    explain::{Decision, Explanation, explain},
};

use super::{Common, End, load_pack, pack_folder};
use crate::lang::{Lang, Pick as _};

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The conversation's id; without one the newest conversations are listed.
    conversation: Option<ConversationId>,
    /// The database of the server, which may be running.
    #[arg(long, default_value = "data/tandem.db")]
    db: PathBuf,
    #[arg(long, default_value = "default")]
    workspace: String,
    /// Show how a pack reads this message, and why, instead of a conversation.
    #[arg(long, value_name = "MESSAGE", conflicts_with = "conversation")]
    explain: Option<String>,
    /// The pack that reads it; the folder we stand in when left out.
    #[arg(long, value_name = "DIR", requires = "explain")]
    pack: Option<PathBuf>,
    /// The customer's language; the pack's first when left out.
    #[arg(long, requires = "explain")]
    locale: Option<String>,
}

pub(crate) fn run(common: &Common, options: &Options) -> anyhow::Result<End> {
    let lang = common.lang();
    if let Some(message) = &options.explain {
        return explained(common, options, message);
    }
    if !options.db.exists() {
        bail!(
            "{}",
            lang.pick(
                format!(
                    "{} does not exist; name the server's database with --db",
                    options.db.display()
                ),
                format!(
                    "{} 不存在，请用 --db 指定服务器的数据库",
                    options.db.display()
                ),
            )
        );
    }
    let runtime = tokio::runtime::Runtime::new().context("no runtime could be started")?;
    runtime.block_on(async {
        let store = tandem_store::open_sqlite_read_only(&options.db, Default::default())?;
        let workspace = WorkspaceId::new(&options.workspace);
        let Some(id) = options.conversation else {
            return list(common, &*store, &workspace).await;
        };
        let Some(conversation) = store.conversation(&workspace, id).await? else {
            bail!(
                "{}",
                lang.pick(
                    format!("there is no conversation {id}"),
                    format!("没有会话 {id}")
                )
            );
        };
        let rows = store.journal(&workspace, id).await?;
        let entries = rows
            .iter()
            .map(Entry::read)
            .collect::<Result<Vec<_>, _>>()?;
        if common.json() {
            common
                .print_json(&serde_json::json!({"conversation": conversation, "turns": entries}))?;
            return Ok(End::Well);
        }
        let mut out = common.out();
        for entry in entries {
            writeln!(out, "\x1b[1m{}\x1b[0m  {}", entry.now, entry.cause)?;
            match &entry.steps {
                Steps::Sealed(_) => writeln!(
                    out,
                    "  {}",
                    lang.pick(
                        "(its inputs are sealed: a sensitive value is among them)",
                        "（输入已加密：其中含敏感信息）"
                    )
                )?,
                Steps::Open(steps) => {
                    for step in steps {
                        writeln!(
                            out,
                            "  \x1b[36m▸ {}\x1b[0m",
                            shorten(&serde_json::to_string(&step.event)?)
                        )?;
                        if let Event::Message { reading, .. } | Event::Press { reading, .. } =
                            &step.event
                        {
                            show_reading(&mut out, lang, reading)?;
                        }
                    }
                }
            }
            for line in &entry.trace {
                let place = line.step.as_deref().unwrap_or("");
                writeln!(
                    out,
                    "    \x1b[2m{:<12}\x1b[0m {} \x1b[2m{place}\x1b[0m",
                    line.kind, line.text
                )?;
            }
        }
        Ok(End::Well)
    })
}

/// Reads one message by a pack and says why it is read so.
fn explained(common: &Common, options: &Options, message: &str) -> anyhow::Result<End> {
    let Some(pack) = load_pack(common, &pack_folder(options.pack.as_deref()))? else {
        return Ok(End::Wrong);
    };
    let locale = match (&options.locale, pack.locales.first()) {
        (Some(locale), _) => Locale::new(locale),
        (None, Some(first)) => first.clone(),
        (None, None) => Locale::new("en"),
    };
    let model = PhraseTrainer.train(&pack.training_set());
    let found = explain(&*model, message, &locale);
    if common.json() {
        common.print_json(&found)?;
    } else {
        show(&mut common.out(), common.lang(), &found)?;
    }
    Ok(End::Well)
}

fn show(out: &mut impl std::io::Write, lang: Lang, found: &Explanation) -> anyhow::Result<()> {
    let t = &found.thresholds;
    let decision = match found.decision {
        Decision::Answer => lang.pick(
            format!("The best is taken: it reaches {:.2}.", t.answer),
            format!("采用最佳候选：置信度达到 {:.2}。", t.answer),
        ),
        Decision::Clarify => lang.pick(
            format!(
                "The customer is asked which is meant: the two best are within {:.2}.",
                t.clarify_gap
            ),
            format!("询问客户指哪一个：前两个相差不到 {:.2}。", t.clarify_gap),
        ),
        Decision::None => lang.pick(
            format!("None of these: the best does not reach {:.2}.", t.answer),
            format!("都不是：最佳候选达不到 {:.2}。", t.answer),
        ),
    };
    writeln!(out, "{decision}")?;
    show_reading(out, lang, &found.reading)?;
    if !found.words.is_empty() {
        writeln!(
            out,
            "  {}",
            lang.pick(
                "what each word carries of the best one's confidence:",
                "每个词对最佳候选置信度的贡献：",
            )
        )?;
    }
    for word in &found.words {
        let bar = "▪".repeat((word.weight.abs() * 30.0).round() as usize);
        let tone = if word.weight > 0.0 { "32" } else { "31" };
        writeln!(
            out,
            "    {:>+6.2} \x1b[{tone}m{bar}\x1b[0m {}",
            word.weight,
            shorten(&word.text)
        )?;
    }
    Ok(())
}

/// The candidates of a reading with their nearest phrases.
fn show_reading(
    out: &mut impl std::io::Write,
    lang: Lang,
    reading: &Reading,
) -> anyhow::Result<()> {
    let also = reading.also.as_ref().map(|wish| &wish.candidate);
    for candidate in reading.candidates.iter().chain(also) {
        let name = match &candidate.target {
            Target::Flow(name) => format!("flow:{name}"),
            Target::Faq(path) => format!("faq:{path}"),
            Target::Trigger(place) => format!("trigger:{place}"),
        };
        let near = candidate
            .phrase
            .as_deref()
            .map_or_else(String::new, |phrase| {
                let phrase = shorten(phrase);
                lang.pick(format!("  like “{phrase}”"), format!("  近似“{phrase}”"))
            });
        let second = match also == Some(candidate) {
            true => lang.pick("the second wish: ", "第二件事："),
            false => "",
        };
        writeln!(
            out,
            "    {:>5.1} %  {second}{name}\x1b[2m{near}\x1b[0m",
            candidate.confidence * 100.0
        )?;
    }
    if !reading.candidates.is_empty() || reading.out_of_scope > 0.0 {
        writeln!(
            out,
            "    {:>5.1} %  {}",
            reading.out_of_scope * 100.0,
            lang.pick("none of these", "都不是")
        )?;
    }
    Ok(())
}

async fn list(
    common: &Common,
    store: &dyn tandem_domain::store::Store,
    workspace: &WorkspaceId,
) -> anyhow::Result<End> {
    let query = tandem_domain::store::ConversationQuery {
        limit: 20,
        ..Default::default()
    };
    let found = store.conversations(workspace, &query).await?;
    if common.json() {
        common.print_json(&found)?;
        return Ok(End::Well);
    }
    let mut out = common.out();
    for c in found {
        writeln!(
            out,
            "{}  {}  {:?}/{:?}",
            c.id, c.updated_at, c.status, c.routing_state
        )?;
    }
    Ok(End::Well)
}

fn shorten(text: &str) -> String {
    const LONGEST: usize = 240;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
