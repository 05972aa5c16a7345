//! `tandem serve`, and the demo that `tandem` alone starts.

use std::{
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde_json::json;

use super::{Common, End, check, config_file};
use crate::lang::Pick as _;
use crate::{
    app::{App, BadPack},
    config::{Config, Environment, LogFormat},
    logging::{self, Logging},
    plugins::BadPlugin,
    shop::{Seed, ShopDb},
};
use tandem_channel_script::kind::BadFile;

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Configuration file; `tandem.yaml` here is used when it exists.
    #[arg(long, short)]
    config: Option<PathBuf>,
    /// Address to listen on, in place of the configured one.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Pack folder of the default workspace, in place of the configured one.
    #[arg(long)]
    pack: Option<PathBuf>,
    /// Data folder, in place of the configured one.
    #[arg(long)]
    data: Option<PathBuf>,
}

pub(crate) fn run(common: &Common, options: Options) -> anyhow::Result<End> {
    let environment = Environment::of_process();
    let file = config_file(options.config.as_deref());
    let mut config = match Config::load(file.as_deref(), &environment) {
        Ok(config) => config,
        Err(diagnostics) => {
            check::print_config(common, &diagnostics)?;
            return Ok(End::Wrong);
        }
    };
    if let Some(listen) = options.listen {
        config.server.listen.0 = listen;
    }
    if let Some(data) = options.data {
        config.data_dir = data;
    }
    if let Some(pack) = options.pack {
        let workspace = crate::config::Workspace { pack };
        config.workspaces.insert("default".into(), workspace);
    }
    start(common, config, environment)
}

/// The demo: the retail pack, the shop it calls, and the shop's page. Needs no configuration.
pub(crate) fn demo(common: &Common) -> anyhow::Result<End> {
    let lang = common.lang();
    let environment = Environment::of_process();
    let mut config = match Config::load(None, &environment) {
        Ok(config) => config,
        Err(diagnostics) => {
            check::print_config(common, &diagnostics)?;
            return Ok(End::Wrong);
        }
    };
    config.demo.enabled = true;
    let Some(pack) = find_upwards(Path::new("flows/retail")) else {
        bail!(
            "{}",
            lang.pick(
                "there is no flows/retail here or above; start the demo in Tandem's folder, or make a pack with `tandem init`",
                "当前目录及上级目录都没有 flows/retail；请在 Tandem 目录中启动演示，或用 `tandem init` 新建业务包",
            )
        );
    };
    if let Some(workspace) = config.workspaces.get_mut("default") {
        workspace.pack = pack;
    }
    for account in config.channels.web.accounts.values_mut() {
        account.appearance = crate::config::web::demo_appearance();
    }
    start(common, config, environment)
}

fn start(common: &Common, config: Config, environment: Environment) -> anyhow::Result<End> {
    logging::start(&Logging {
        json: config.log.format == LogFormat::Json,
        level: config.log.level.clone(),
    });
    let runtime = tokio::runtime::Runtime::new().context("no runtime could be started")?;
    let ended = runtime.block_on(serve(common, config, environment));
    // A script or a lookup that hangs must not keep a stopped server alive.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match ended {
        Err(error) => {
            if let Some(bad) = error.downcast_ref::<BadPack>() {
                check::print(common, &bad.diagnostics)?;
            }
            if let Some(bad) = error.downcast_ref::<BadPlugin>() {
                bail!("{}", common.lang().pick(bad.to_string(), bad.zh()));
            }
            let bad = error.chain().find_map(|e| e.downcast_ref::<BadFile>());
            if let Some(bad) = bad {
                super::channel::print(common, &bad.problems, "")?;
            }
            Err(error)
        }
        Ok(()) => Ok(End::Well),
    }
}

async fn serve(
    common: &Common,
    mut config: Config,
    mut environment: Environment,
) -> anyhow::Result<()> {
    let listener = bind(common, config.server.listen.0).await?;
    let address = listener.local_addr()?;
    let mut shop = None;
    let mut token = None;
    if config.demo.enabled {
        let opened = bind(common, config.demo.shop_listen.0).await?;
        let url = format!("http://{}", opened.local_addr()?);
        // One that is set lets others in as well, as a chat in the terminal.
        let secret = environment.get("SHOP_TOKEN").map(str::to_owned);
        let secret = secret.unwrap_or_else(demo_secret);
        environment = environment
            .with("SHOP_URL", &format!("{url}/api"))
            .with("SHOP_TOKEN", &secret);
        let db = ShopDb::open(None, Seed::Demo)?;
        tokio::spawn(async move {
            if let Err(error) = crate::shop::serve(opened, db, Some(secret), stop_signal()).await {
                tracing::error!(%error, "The demo shop stopped.");
            }
        });
        shop = Some(url);
        if config.api.tokens.is_empty() {
            let secret = demo_secret();
            config.api.tokens.push(crate::config::Token::demo(&secret));
            token = Some(secret);
        }
    }
    let app = App::build(&config, &environment).await?;
    announce(common, &config, address, shop.as_deref(), token.as_deref())?;
    app.serve(listener, stop_signal()).await
}

fn announce(
    common: &Common,
    config: &Config,
    address: SocketAddr,
    shop: Option<&str>,
    token: Option<&str>,
) -> anyhow::Result<()> {
    let url = format!("http://{address}");
    if common.json() {
        let line = json!({"url": url, "shop": shop, "token": token});
        let mut out = common.out();
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let lang = common.lang();
    let mut out = common.out();
    let mut row = |en: &str, zh: &str, what: &str| {
        let name = lang.pick(en, zh);
        writeln!(out, "  {name}  \x1b[36m{what}\x1b[0m")
    };
    if config.demo.enabled {
        row(
            "A shop with the chat ",
            "带聊天窗口的商店",
            &format!("{url}/demo/"),
        )?;
        row(
            "The same in Chinese  ",
            "中文页面        ",
            &format!("{url}/demo/?lang=zh"),
        )?;
    }
    row(
        "The widget           ",
        "聊天组件        ",
        &format!("{url}/widget.js"),
    )?;
    row(
        "The API              ",
        "API             ",
        &format!("{url}/api/v1/openapi.json"),
    )?;
    if let Some(token) = token {
        row("A token for the API  ", "API 令牌        ", token)?;
    }
    if let Some(shop) = shop {
        row("The shop's own API   ", "商店自己的 API  ", shop)?;
    }
    if !config.plugins.is_empty() {
        let names: Vec<&str> = config.plugins.keys().map(String::as_str).collect();
        row(
            "Plugins              ",
            "插件            ",
            &names.join(", "),
        )?;
    }
    for workspace in config.workspaces.values() {
        row(
            "The pack, reloaded as saved",
            "业务包（保存即生效）",
            &workspace.pack.display().to_string(),
        )?;
    }
    out.flush()?;
    Ok(())
}

/// Listens, or says what stands in the way.
pub(crate) async fn bind(
    common: &Common,
    address: SocketAddr,
) -> anyhow::Result<tokio::net::TcpListener> {
    let lang = common.lang();
    tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
                "{}",
                lang.pick(
                    format!("{address} is in use by another program; stop that, or choose another address (TANDEM__SERVER__LISTEN, or --listen)"),
                    format!("{address} 已被其他程序占用；请停止该程序，或改用其他地址（TANDEM__SERVER__LISTEN 或 --listen）"),
                )
            ),
            _ => anyhow::Error::from(error).context(lang.pick(
                format!("{address} cannot be listened on"),
                format!("无法监听 {address}"),
            )),
        })
}

/// Resolves at Ctrl-C or SIGTERM.
pub(crate) async fn stop_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without the handler there is no such signal to wait for.
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

/// A secret for this run only.
fn demo_secret() -> String {
    tandem_engine::seal::SealKey::generate()
        .bytes()
        .iter()
        .take(20)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The path here or in a folder above.
fn find_upwards(path: &Path) -> Option<PathBuf> {
    let start = std::env::current_dir().ok()?;
    start
        .ancestors()
        .map(|folder| folder.join(path))
        .find(|candidate| candidate.join("pack.yaml").exists())
}
