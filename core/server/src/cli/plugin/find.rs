//! The plugin that was meant.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use tandem_plugin_host::PluginConfig;

use super::{
    super::{check::print_config, config_file},
    Common, Which,
};
use crate::{
    config::{Config, Environment, Other},
    lang::Pick as _,
};

/// A plugin as the host is told of it, and the folders it may lie in.
pub(super) struct Found {
    pub plugin: PluginConfig,
    pub folders: Vec<PathBuf>,
    /// The configuration that names it.
    pub config: Option<Config>,
    pub environment: Environment,
}

impl Found {
    /// The channels that are this plugin.
    pub fn channels(&self) -> impl Iterator<Item = (&String, &Other)> {
        let all = self.config.iter().flat_map(|c| &c.channels.others);
        all.filter(|(_, other)| other.plugin.as_ref() == Some(&self.plugin.name))
    }
}

/// A file is that file, with the settings of the entry that names it; anything else is a name of the
/// configuration. `None` after the configuration's mistakes were printed.
pub(super) fn find(common: &Common, which: &Which) -> anyhow::Result<Option<Found>> {
    let environment = Environment::of_process();
    let file = config_file(which.config.as_deref());
    let config = match &file {
        None => None,
        Some(file) => match Config::load(Some(file), &environment) {
            Ok(config) => Some(config),
            // A file is looked at whatever the configuration beside it says.
            Err(_) if which.plugin.is_file() && which.config.is_none() => None,
            Err(diagnostics) => {
                print_config(common, &diagnostics)?;
                return Ok(None);
            }
        },
    };
    let entry = config.as_ref().and_then(|config| {
        let folders = &config.plugin_folders;
        let mut entries = config.plugins.iter();
        let found = match std::fs::canonicalize(&which.plugin)
            .ok()
            .filter(|p| p.is_file())
        {
            Some(path) => entries.find(|(_, settings)| {
                let file = settings.file(folders);
                file.and_then(|file| std::fs::canonicalize(file).ok()) == Some(path.clone())
            }),
            None => entries.find(|(name, _)| which.plugin.as_os_str() == name.as_str()),
        };
        found.map(|(name, settings)| (name, settings, folders.clone()))
    });
    if let Some((name, settings, folders)) = entry {
        let plugin = settings
            .host(name, &folders, &environment)
            .with_context(|| format!("plugins.{name}"))?;
        return Ok(Some(Found {
            plugin,
            folders,
            config,
            environment,
        }));
    }
    if which.plugin.is_file() {
        return Ok(Some(of_file(&which.plugin, environment)?));
    }
    let (name, known) = (which.plugin.display(), config.map(|config| names(&config)));
    let known = known.filter(|known| !known.is_empty());
    bail!(
        "{}",
        match known {
            Some(known) => common.lang().pick(
                format!("there is no file {name}, and no plugin of this name is configured; configured are: {known}"),
                format!("没有文件 {name}，也没有配置同名插件；已配置：{known}"),
            ),
            None => common.lang().pick(
                format!("there is no file {name}, and no configuration names plugins; see --config"),
                format!("没有文件 {name}，配置中也没有插件；见 --config"),
            ),
        }
    )
}

fn names(config: &Config) -> String {
    let names: Vec<&str> = config.plugins.keys().map(String::as_str).collect();
    names.join(", ")
}

/// A library, or else a program; of Python where its name says so.
fn of_file(path: &Path, environment: Environment) -> anyhow::Result<Found> {
    let path = std::fs::canonicalize(path)
        .with_context(|| format!("{} cannot be opened", path.display()))?;
    let mut first = [0; 4];
    let read = std::fs::File::open(&path).and_then(|mut file| file.read(&mut first));
    let elf = matches!(read, Ok(4)) && first == *b"\x7fELF";
    let ending = path.extension().and_then(|ending| ending.to_str());
    let library = matches!(ending, Some("so" | "dylib" | "dll")) || elf;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name: String = stem
        .trim_start_matches("lib")
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
        .take(64)
        .collect();
    let text = path.display().to_string();
    let command = match ending {
        Some("py") => vec!["python3".to_owned(), text],
        _ => vec![text],
    };
    let mut plugin =
        PluginConfig::named(match name.starts_with(|c: char| c.is_ascii_lowercase()) {
            true => &name,
            false => "plugin",
        });
    match library {
        true => plugin.path = Some(path.clone()),
        false => plugin.command = Some(command),
    }
    Ok(Found {
        plugin,
        folders: path.parent().map(Path::to_path_buf).into_iter().collect(),
        config: None,
        environment,
    })
}
