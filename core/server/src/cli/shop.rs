//! `tandem shop`: the demo shop on its own.

use std::{io::Write as _, net::SocketAddr, path::PathBuf};

use anyhow::Context as _;

use super::{Common, End};
use crate::lang::Pick as _;
use crate::shop::{Seed, ShopDb};

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Database file; kept in memory when left out.
    #[arg(long)]
    db: Option<PathBuf>,
    /// The bearer token callers must bring.
    #[arg(long, env = "SHOP_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

pub(crate) fn run(common: &Common, options: &Options) -> anyhow::Result<End> {
    crate::logging::start(&crate::logging::Logging::default());
    let lang = common.lang();
    let runtime = tokio::runtime::Runtime::new().context("no runtime could be started")?;
    runtime.block_on(async {
        let db = match &options.db {
            Some(path) => ShopDb::open(Some(path), Seed::Demo)?,
            None => ShopDb::open(None, Seed::Demo)?,
        };
        let listener = super::serve::bind(common, options.listen).await?;
        let address = listener.local_addr()?;
        if common.json() {
            common.print_json(&serde_json::json!({"shop": format!("http://{address}")}))?;
        } else {
            let mut out = common.out();
            writeln!(
                out,
                "{}",
                lang.pick(
                    format!("The demo shop is at http://{address}"),
                    format!("演示商店：http://{address}")
                )
            )?;
        }
        crate::shop::serve(
            listener,
            db,
            options.token.clone(),
            super::serve::stop_signal(),
        )
        .await?;
        Ok(End::Well)
    })
}
