//! `tandem chat`: talk to a pack in the terminal.
//!
//! * `services` – what the conversation calls: services over HTTP, and plugins.

mod services;

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use tandem_domain::{Locale, Value, reading::Trainer as _};
use tandem_flow::{
    diagnostic::{Words, words},
    model::Pack,
    testing::{Output, Setup, Simulator},
};
use tandem_understanding::PhraseTrainer;

use super::{Common, End, check, config_file, load_pack, pack_folder};
use crate::{
    config::{Config, Environment, LogFormat, Workspace},
    lang::Pick as _,
    logging::{self, Logging},
    plugins::BadPlugin,
};
use services::Services;

/// The workspace whose pack is talked to where none is named.
const DEFAULT: &str = "default";

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The pack's folder; when left out, the one we stand in, or else the pack of the
    /// configuration's default workspace.
    pack: Option<PathBuf>,
    /// Configuration file, whose plugins are loaded; `tandem.yaml` here is used when it exists.
    #[arg(long, short)]
    config: Option<PathBuf>,
    /// Show every decision and its reason.
    #[arg(long)]
    trace: bool,
    /// The customer's language; the pack's default when left out.
    #[arg(long)]
    locale: Option<String>,
}

pub(crate) fn run(common: &Common, options: &Options) -> anyhow::Result<End> {
    let environment = Environment::of_process();
    let mut config = match config_file(options.config.as_deref()) {
        None => None,
        Some(file) => match Config::load(Some(&file), &environment) {
            Ok(config) => Some(config),
            Err(diagnostics) => {
                check::print_config(common, &diagnostics)?;
                return Ok(End::Wrong);
            }
        },
    };
    let folder = folder(options.pack.as_deref(), config.as_ref());
    let Some(pack) = load_pack(common, &folder)? else {
        return Ok(End::Wrong);
    };
    let lang = common.lang();
    let pack = Arc::new(pack);
    let model = PhraseTrainer.train(&pack.training_set());
    let setup = Setup {
        locale: options.locale.as_deref().map(Locale::new),
        ..Setup::default()
    };
    if let Some(config) = &mut config {
        // Plugins are held against the contracts of the pack that is talked to, and of no other.
        let workspace = Workspace { pack: folder };
        config.workspaces = [(DEFAULT.to_owned(), workspace)].into();
        logging::start(&Logging {
            json: config.log.format == LogFormat::Json,
            level: "warn".to_owned(),
        });
    }
    let (services, refused) = Services::open(&pack, config.as_ref(), &environment)?;
    tell_refused(common, &refused)?;
    let hint = without_plugins(&pack, config.as_ref());
    let mut talk = Simulator::new(pack, model, Box::new(services), setup);
    let prompt = std::io::stdin().is_terminal();
    let mut out = common.out();
    if prompt {
        writeln!(out, "\x1b[2m{}\x1b[0m", lang.pick(
            "Write to the bot. /press LABEL, /event NAME, /wait 1h, /agent TEXT, /close, /quit",
            "请输入消息。命令：/press 按钮、/event 事件、/wait 1h、/agent 人工回复、/close 结束、/quit 退出",
        ))?;
        if let Some(hint) = hint {
            writeln!(out, "\x1b[2m{}\x1b[0m", hint.get(lang))?;
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

/// The pack that is talked to.
fn folder(given: Option<&Path>, config: Option<&Config>) -> PathBuf {
    let here = pack_folder(given);
    if given.is_some() || here.join("pack.yaml").exists() {
        return here;
    }
    let served = config.and_then(|config| config.workspaces.get(DEFAULT));
    served.map_or(here, |workspace| workspace.pack.clone())
}

fn tell_refused(common: &Common, refused: &[BadPlugin]) -> anyhow::Result<()> {
    let mut err = common.err();
    for bad in refused {
        let said = common.lang().pick(
            format!("{bad}; its calls fail as `unavailable`"),
            format!("{}；对它的调用以 `unavailable` 失败", bad.zh()),
        );
        writeln!(err, "\x1b[33m!\x1b[0m {}", plain(&said))?;
    }
    Ok(())
}

/// Which of the pack's plugins are not here, and what to do about it.
fn without_plugins(pack: &Pack, config: Option<&Config>) -> Option<Words> {
    let configured = |name: &str| config.is_some_and(|c| c.plugins.contains_key(name));
    let names = pack.contracts.keys().map(String::as_str);
    let absent: Vec<&str> = names.filter(|name| !configured(name)).collect();
    if absent.is_empty() {
        return None;
    }
    let absent = absent.join(", ");
    Some(match config {
        None => words(
            format!(
                "No plugins are loaded, so that calls of these fail as `unavailable`: {absent}. Name them in a tandem.yaml, see --config; `tandem test` answers for them."
            ),
            format!(
                "未加载插件，对以下插件的调用以 `unavailable` 失败：{absent}。请在 tandem.yaml 中写明（见 --config）；`tandem test` 可代答。"
            ),
        ),
        Some(_) => words(
            format!(
                "The configuration does not name these plugins of the pack: {absent}. Their calls fail as `unavailable`."
            ),
            format!(
                "配置中没有业务包用到的这些插件：{absent}。对它们的调用以 `unavailable` 失败。"
            ),
        ),
    })
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
