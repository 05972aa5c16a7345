//! `tandem chat`: talk to a pack in the terminal.

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tandem_domain::{
    Locale, Value,
    action::{ActionError, Meta, Request},
    reading::Trainer as _,
};
use tandem_engine::actions::{NoPlugins, Tools, http::Web};
use tandem_flow::{
    model::Pack,
    testing::{
        Output, Setup, Simulator,
        sim::{Actions, Moment},
    },
};
use tandem_understanding::PhraseTrainer;

use super::{Common, End, load_pack, pack_folder};
use crate::lang::Pick as _;

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The pack's folder.
    pack: Option<PathBuf>,
    /// Show every decision and its reason.
    #[arg(long)]
    trace: bool,
    /// The customer's language; the pack's default when left out.
    #[arg(long)]
    locale: Option<String>,
}

pub(crate) fn run(common: &Common, options: &Options) -> anyhow::Result<End> {
    let Some(pack) = load_pack(common, &pack_folder(options.pack.as_deref()))? else {
        return Ok(End::Wrong);
    };
    let lang = common.lang();
    let pack = Arc::new(pack);
    let model = PhraseTrainer.train(&pack.training_set());
    let setup = Setup {
        locale: options.locale.as_deref().map(Locale::new),
        ..Setup::default()
    };
    let services = Services::open(&pack)?;
    let calls_plugins = !pack.contracts.is_empty();
    let mut talk = Simulator::new(pack, model, Box::new(services), setup);
    let prompt = std::io::stdin().is_terminal();
    let mut out = common.out();
    if prompt {
        writeln!(out, "\x1b[2m{}\x1b[0m", lang.pick(
            "Write to the bot. /press LABEL, /event NAME, /wait 1h, /agent TEXT, /close, /quit",
            "请输入消息。命令：/press 按钮、/event 事件、/wait 1h、/agent 人工回复、/close 结束、/quit 退出",
        ))?;
        if calls_plugins {
            writeln!(out, "\x1b[2m{}\x1b[0m", lang.pick(
                "Plugins are not loaded here: their calls fail as `unavailable`. `tandem test` answers for them, `tandem serve` calls them.",
                "这里不加载插件，对它们的调用以 `unavailable` 失败。`tandem test` 可代答，`tandem serve` 才真正调用。",
            ))?;
        }
    }
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    loop {
        if prompt {
            write!(out, "\x1b[1m> \x1b[0m")?;
            out.flush()?;
        }
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(End::Well);
        }
        let text = line.trim();
        let outputs = match command(text) {
            Said::Nothing => continue,
            Said::Quit => return Ok(End::Well),
            Said::Text => talk.say(text, None),
            Said::Press(label) => match talk.press(label) {
                Some(outputs) => outputs,
                None => {
                    writeln!(
                        out,
                        "  {}",
                        lang.pick("there is no such button", "没有这个按钮")
                    )?;
                    continue;
                }
            },
            Said::Event(name) => talk.event(name, Value::Null),
            Said::Agent(words) => talk.agent_says(words),
            Said::Close => talk.agent_closes(false),
            Said::Wait(None) => {
                writeln!(
                    out,
                    "  {}",
                    lang.pick(
                        "a time is 30s, 10m, 2h or 7d",
                        "时间写作 30s、10m、2h 或 7d"
                    )
                )?;
                continue;
            }
            Said::Wait(Some(span)) => talk.advance(span),
        };
        for output in outputs {
            show(common, &mut out, &output)?;
        }
        if options.trace {
            for line in talk.last_trace() {
                writeln!(
                    out,
                    "    \x1b[2m{:<12} {} {}\x1b[0m",
                    line.kind,
                    line.text,
                    line.step.as_deref().unwrap_or("")
                )?;
            }
        }
    }
}

enum Said<'a> {
    Nothing,
    Text,
    Quit,
    Press(&'a str),
    Event(&'a str),
    Agent(&'a str),
    Close,
    Wait(Option<tandem_flow::model::Duration>),
}

fn command(text: &str) -> Said<'_> {
    if text.is_empty() {
        return Said::Nothing;
    }
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "/quit" | "/exit" => Said::Quit,
        "/press" => Said::Press(rest.trim()),
        "/event" => Said::Event(rest.trim()),
        "/agent" => Said::Agent(rest.trim()),
        "/close" => Said::Close,
        "/wait" => Said::Wait(rest.trim().parse().ok()),
        _ => Said::Text,
    }
}

fn show(common: &Common, out: &mut impl std::io::Write, output: &Output) -> anyhow::Result<()> {
    let lang = common.lang();
    match output {
        Output::Said(said) => {
            let text = said.content.plain();
            for line in text.lines() {
                writeln!(out, "  \x1b[36m{}\x1b[0m", plain(line))?;
            }
            for (number, option) in said.options().iter().enumerate() {
                writeln!(out, "    \x1b[33m{}. {}\x1b[0m", number + 1, plain(option))?;
            }
        }
        Output::Note(text) => writeln!(
            out,
            "  \x1b[2m({} {})\x1b[0m",
            lang.pick("note:", "备注："),
            plain(text)
        )?,
        Output::Handoff(handed) => writeln!(
            out,
            "  \x1b[35m» {} {} ({:?})\x1b[0m",
            lang.pick("handed to people:", "已转人工："),
            handed.skill,
            handed.priority
        )?,
        Output::Ticket { title, skill, .. } => writeln!(
            out,
            "  \x1b[35m» {} {} ({skill})\x1b[0m",
            lang.pick("ticket:", "工单："),
            plain(title)
        )?,
        Output::Tagged(word) => writeln!(out, "  \x1b[2m#{word}\x1b[0m")?,
        Output::Resolved(outcome) => writeln!(out, "  \x1b[2m■ {outcome}\x1b[0m")?,
    }
    Ok(())
}

/// Nothing that a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Calls the services that connections.yaml names, for real, with credentials from the
/// environment.
struct Services {
    runtime: tokio::runtime::Runtime,
    tools: Tools,
    pack: Arc<Pack>,
}

impl Services {
    fn open(pack: &Arc<Pack>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let transport = tandem_net::Transport::system()?;
        let lookup = Arc::new(|name: &str| std::env::var(name).ok());
        let web = Arc::new(Web::new(transport, lookup));
        let store = tandem_store::open_sqlite(":memory:", tandem_store::SqliteOptions::default())?;
        Ok(Self {
            tools: Tools {
                store,
                web,
                scripts: tandem_lua::Runner::new(1),
                plugins: Arc::new(NoPlugins),
            },
            pack: pack.clone(),
            runtime,
        })
    }
}

impl Actions for Services {
    fn call(&mut self, pack: &Pack, request: &Request, at: Moment) -> Result<Value, ActionError> {
        let meta = Meta {
            workspace: tandem_domain::WorkspaceId::default(),
            conversation: tandem_domain::ConversationId::derive(&["chat"]),
            contact: tandem_domain::ContactId::derive(&["chat"]),
            locale: pack.default_locale().clone(),
            pack: pack.structure.clone(),
            now: at.now,
            timeout_ms: at.timeout_ms,
            retries: None,
            idempotency_key: None,
            write: false,
        };
        self.runtime.block_on(async {
            let limit = Duration::from_millis(at.timeout_ms);
            match tokio::time::timeout(limit, self.tools.run(&self.pack, request, &meta)).await {
                Ok(ran) => ran.result,
                Err(_) => Err(ActionError::new("timeout", "no answer in time")),
            }
        })
    }
}
