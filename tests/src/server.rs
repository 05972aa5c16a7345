//! A Tandem server in a process of its own.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::visitor::Visitor;

/// The token the harness gives itself, with every scope.
pub const TOKEN: &str = "a-token-for-tests-only-0123456789abcdef";

/// A running server. Dropping it kills it.
pub struct Server {
    binary: PathBuf,
    folder: TempDir,
    child: Child,
    pub url: String,
    pub http: reqwest::Client,
    setup: Setup,
}

/// How a server differs from the one [`Server::start`] gives.
#[derive(Default)]
pub struct Setup {
    /// Additions to its environment.
    pub environment: Vec<(String, String)>,
    /// Laid over the harness's configuration, key by key; `null` takes one away.
    pub config: Value,
    /// A command that ends in running its own last arguments: `sh -c '… exec "$@"' sh`.
    pub under: Vec<String>,
}

impl Setup {
    #[must_use]
    pub fn config(config: Value) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }
}

impl Server {
    /// Starts `binary` with this pack and waits until it listens.
    ///
    /// # Errors
    /// When it ends before it listens.
    pub async fn start(binary: &str, pack: &Path) -> anyhow::Result<Self> {
        Self::start_with(binary, pack, &[]).await
    }

    /// The same with additions to its environment.
    ///
    /// # Errors
    /// When it ends before it listens.
    pub async fn start_with(
        binary: &str,
        pack: &Path,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let environment = environment
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let setup = Setup {
            environment,
            ..Setup::default()
        };
        Self::start_as(binary, pack, setup).await
    }

    /// The same set up otherwise.
    ///
    /// # Errors
    /// When it ends before it listens.
    pub async fn start_as(binary: &str, pack: &Path, setup: Setup) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut config = json!({
            "server": {"listen": "127.0.0.1:0"},
            "data_dir": folder.path().join("data"),
            "workspaces": {"default": {"pack": pack}},
            "channels": {"web": {"accounts": {"web": {
                "origins": ["*"],
                "limits": {"burst": 100_000, "per_second": 100_000.0,
                    "sessions_burst": 100_000, "sessions_per_second": 100_000.0, "per_ip_burst": 0, "connections_per_ip": 0},
            }}}},
            "api": {"tokens": [{"name": "test", "scopes": ["admin"], "secret": {"env": "TEST_TOKEN"}}]},
            "log": {"level": "warn"},
        });
        lay_over(&mut config, &setup.config);
        // JSON is YAML.
        std::fs::write(
            folder.path().join("tandem.yaml"),
            serde_json::to_string_pretty(&config)?,
        )?;
        let binary = PathBuf::from(binary);
        let (child, url) = launch(&binary, folder.path(), &setup).await?;
        Ok(Self {
            binary,
            folder,
            child,
            url,
            http: reqwest::Client::new(),
            setup,
        })
    }

    /// Writes its configuration anew with this laid over it, `null` for what goes: for what is read
    /// again while it runs, and for the next start.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn configure(&self, over: &Value) -> anyhow::Result<()> {
        let file = self.folder.path().join("tandem.yaml");
        let mut config: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
        lay_over(&mut config, over);
        Ok(std::fs::write(
            file,
            serde_json::to_string_pretty(&config)?,
        )?)
    }

    /// SIGKILL: no handler runs, nothing is flushed.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("the server was gone")
    }

    /// Starts it again on the same data.
    ///
    /// # Errors
    /// When it ends before it listens.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        let (child, url) = launch(&self.binary, self.folder.path(), &self.setup).await?;
        self.child = child;
        self.url = url;
        Ok(())
    }

    /// Starts it again on the same data and the address it had.
    ///
    /// # Errors
    /// When it ends before it listens.
    pub async fn restart_on(&mut self, address: &str) -> anyhow::Result<()> {
        self.setup
            .environment
            .push(("TANDEM__SERVER__LISTEN".into(), address.into()));
        self.restart().await
    }

    /// SIGTERM, as a supervisor sends it, and the wait for the end.
    ///
    /// # Errors
    /// When it does not end within half a minute, or badly.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let pid = self.pid().context("the server was gone")?.to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await?;
        anyhow::ensure!(sent.success(), "no signal could be sent");
        let status = tokio::time::timeout(Duration::from_secs(30), self.child.wait())
            .await
            .context("the server does not end")??;
        anyhow::ensure!(status.success(), "{status}");
        Ok(())
    }

    /// All it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_file(self.folder.path())).unwrap_or_default()
    }

    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// A new customer.
    ///
    /// # Errors
    /// When the server gives no session.
    pub async fn visitor(&self) -> anyhow::Result<Visitor> {
        Visitor::new(&self.http, &self.url).await
    }

    /// Calls the API with the harness's token.
    ///
    /// # Errors
    /// When there is no answer, or it is not JSON.
    pub async fn api(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<(u16, Value)> {
        let mut request = self
            .http
            .request(method, format!("{}/api/v1{path}", self.url))
            .bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        let value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).with_context(|| text.clone())?
        };
        Ok((status, value))
    }

    /// Every item of a paged list of the API.
    ///
    /// # Errors
    /// As [`api`](Self::api), and when it is no list.
    pub async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let page = format!("{path}?limit=100{after}");
            let (status, page) = self.api(reqwest::Method::GET, &page, None).await?;
            anyhow::ensure!(status == 200, "{page}");
            let Some(found) = page["items"].as_array() else {
                bail!("{path} is no list: {page}");
            };
            items.extend(found.iter().cloned());
            // Lines are read forwards, after one; lists backwards, from a cursor on.
            let name = if path.ends_with("/messages") {
                "after"
            } else {
                "cursor"
            };
            after = match &page["next"] {
                Value::String(next) => format!("&{name}={next}"),
                Value::Number(next) => format!("&{name}={next}"),
                _ => return Ok(items),
            };
        }
    }

    /// The bytes of a stored file; none while it is on its way here.
    ///
    /// # Errors
    /// When there is none of this id.
    pub async fn file(&self, id: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let url = format!("{}/api/v1/files/{id}", self.url);
        let response = self.http.get(url).bearer_auth(TOKEN).send().await?;
        if response.status() == reqwest::StatusCode::SERVICE_UNAVAILABLE {
            return Ok(None);
        }
        Ok(Some(response.error_for_status()?.bytes().await?.to_vec()))
    }
}

impl Drop for Server {
    /// A test that fails shows what the server had to say.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(8_000);
            let tail = log.get(log.ceil_char_boundary(from)..).unwrap_or_default();
            let said = format!("\nThe server's log ends:\n{tail}\n");
            let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), said.as_bytes());
        }
    }
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

fn lay_over(config: &mut Value, over: &Value) {
    match (config, over) {
        (_, Value::Null) => {}
        (Value::Object(config), Value::Object(over)) => {
            for (key, value) in over {
                if value.is_null() {
                    config.remove(key);
                    continue;
                }
                lay_over(config.entry(key.as_str()).or_insert(Value::Null), value);
            }
        }
        (config, over) => *config = over.clone(),
    }
}

async fn launch(binary: &Path, folder: &Path, setup: &Setup) -> anyhow::Result<(Child, String)> {
    let mut command = match setup.under.split_first() {
        None => Command::new(binary),
        Some((program, args)) => {
            let mut command = Command::new(program);
            command.args(args).arg(binary);
            command
        }
    };
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(log_file(folder))?;
    let mut child = command
        .args(["serve", "--format", "json", "--config"])
        .arg(folder.join("tandem.yaml"))
        .env("TEST_TOKEN", TOKEN)
        .envs(setup.environment.iter().map(|(k, v)| (k, v)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} cannot be started", binary.display()))?;
    let out = child.stdout.take().context("standard output is piped")?;
    let mut lines = BufReader::new(out).lines();
    let first = tokio::time::timeout(Duration::from_secs(60), lines.next_line())
        .await
        .context("the server did not start within a minute")??;
    let Some(first) = first else {
        let status = child.wait().await?;
        let log = std::fs::read_to_string(log_file(folder)).unwrap_or_default();
        bail!("the server ended before it listened: {status}\n{log}");
    };
    let ready: Value = serde_json::from_str(&first).with_context(|| first.clone())?;
    let url = ready["url"].as_str().context("no url")?.to_owned();
    Ok((child, url))
}
