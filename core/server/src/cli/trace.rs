//! `tandem trace`: why the bot did what it did, turn by turn.

use std::{io::Write as _, path::PathBuf};

use anyhow::{Context as _, bail};
use tandem_domain::{ConversationId, WorkspaceId};
use tandem_engine::journal::{Entry, Steps};

use super::{Common, End};
use crate::lang::Pick as _;

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The conversation's id; without one the newest conversations are listed.
    conversation: Option<ConversationId>,
    /// The database of the server, which may be running.
    #[arg(long, default_value = "data/tandem.db")]
    db: PathBuf,
    #[arg(long, default_value = "default")]
    workspace: String,
}

pub(crate) fn run(common: &Common, options: &Options) -> anyhow::Result<End> {
    let lang = common.lang();
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
