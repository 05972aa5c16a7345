//! `tandem init`: a new pack that passes its own tests.

use std::{io::Write as _, path::PathBuf};

use anyhow::{Context as _, bail};

use super::{Common, End};
use crate::lang::Pick as _;

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Folder to make it in; its last part names the pack.
    folder: PathBuf,
}

const FILES: &[(&str, &str)] = &[
    ("pack.yaml", include_str!("../init/pack.yaml")),
    ("desk.yaml", include_str!("../init/desk.yaml")),
    ("main.flow.yaml", include_str!("../init/main.flow.yaml")),
    ("README.md", include_str!("../init/README.md")),
    (
        "tests/hello.test.yaml",
        include_str!("../init/tests/hello.test.yaml"),
    ),
    (
        "tests/zh.test.yaml",
        include_str!("../init/tests/zh.test.yaml"),
    ),
];

pub(crate) fn run(common: &Common, options: &Options) -> anyhow::Result<End> {
    let lang = common.lang();
    let folder = &options.folder;
    let occupied = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        bail!(
            "{}",
            lang.pick(
                format!("{} is not empty; name a new folder", folder.display()),
                format!("{} 不是空文件夹，请换一个新的", folder.display()),
            )
        );
    }
    let name = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name != "." && name != "..")
        .unwrap_or_else(|| "shop".into());
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect();
    for (path, text) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("{} could not be made", parent.display()))?;
        }
        std::fs::write(&path, text.replace("{{name}}", &name))
            .with_context(|| format!("{} could not be written", path.display()))?;
    }
    let schema = tandem_flow::schema::flow();
    std::fs::write(
        folder.join("flow.schema.json"),
        serde_json::to_string_pretty(&schema)?,
    )?;
    if common.json() {
        common.print_json(&serde_json::json!({"folder": folder, "name": name}))?;
        return Ok(End::Well);
    }
    let shown = folder.display();
    let mut out = common.out();
    writeln!(
        out,
        "{}",
        lang.pick(
            format!("The pack `{name}` is in {shown}. Try:"),
            format!("业务包“{name}”已建在 {shown}。试试：")
        )
    )?;
    writeln!(
        out,
        "  tandem check {shown}\n  tandem test {shown} --coverage\n  tandem chat {shown}"
    )?;
    Ok(End::Well)
}
