//! `tandem schema`: JSON Schemas and the Lua host API, for editors.

use std::{io::Write as _, path::PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tandem_flow::contract::Contract;

use super::{Common, End, deliver, load_pack};
use crate::{config::Config, lang::Pick as _};

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// What it describes: flow, pack, connections, desk, test or config; `luau` and `lua` are the
    /// host API of a pack's modules as type definitions and as stubs.
    #[arg(default_value = "flow")]
    kind: String,
    /// The pack whose plugins `luau` knows.
    #[arg(long, value_name = "DIR")]
    pack: Option<PathBuf>,
    /// File to write.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Write all of them into this folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "output")]
    write: Option<PathBuf>,
}

pub(crate) fn run(common: &Common, options: &Options) -> anyhow::Result<End> {
    let lang = common.lang();
    let mut plugins = Vec::new();
    if let Some(folder) = &options.pack {
        let Some(pack) = load_pack(common, folder)? else {
            return Ok(End::Wrong);
        };
        plugins.extend(pack.contracts.values().flat_map(Contract::signatures));
    }
    let mut schemas = tandem_flow::schema::all(lang);
    schemas.push(("config.schema.json", Config::schema()));
    if let Some(folder) = &options.write {
        let mut out = common.out();
        for (name, schema) in &schemas {
            let path = folder.join(name);
            std::fs::write(&path, text(schema)?)
                .with_context(|| format!("{} could not be written", path.display()))?;
            writeln!(out, "{}", path.display())?;
        }
        for (name, text) in [
            ("tandem.d.luau", tandem_lua::definitions(&plugins)),
            ("tandem.stubs.lua", tandem_lua::stubs()),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("{} could not be written", path.display()))?;
            writeln!(out, "{}", path.display())?;
        }
        return Ok(End::Well);
    }
    let api = match options.kind.as_str() {
        "luau" => Some(tandem_lua::definitions(&plugins)),
        "lua" => Some(tandem_lua::stubs()),
        _ => None,
    };
    if let Some(api) = api {
        deliver(common, options.output.as_deref(), &api)?;
        return Ok(End::Well);
    }
    let wanted = format!("{}.schema.json", options.kind);
    let Some((_, schema)) = schemas.iter().find(|(name, _)| *name == wanted) else {
        let known: Vec<&str> = schemas
            .iter()
            .filter_map(|(name, _)| name.strip_suffix(".schema.json"))
            .chain(["luau", "lua"])
            .collect();
        bail!(
            "{}: {}",
            lang.pick("there is no such schema; there are", "没有这个模式，可选"),
            known.join(", ")
        );
    };
    deliver(common, options.output.as_deref(), &text(schema)?)?;
    Ok(End::Well)
}

fn text(schema: &Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(schema)? + "\n")
}
