//! Chromium on a page with the widget, driven as a person would: keys typed, buttons clicked.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, bail};
use fantoccini::{Client, ClientBuilder, elements::Element};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// A browser window. Ended by [`Browser::close`], at the latest when dropped.
pub struct Browser {
    client: Client,
    _driver: Child,
    _profile: TempDir,
}

/// A message as it stands in the widget.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
pub struct Shown {
    /// Written by the visitor.
    pub me: bool,
    pub text: String,
    pub buttons: Vec<String>,
}

const ROOT: &str = "const root = document.querySelector('tandem-chat').shadowRoot;";

impl Browser {
    /// # Errors
    /// When Chromium or its driver cannot be started.
    pub async fn start() -> anyhow::Result<Self> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("chromedriver cannot be started")?;
        let out = driver.stdout.take().context("standard output is piped")?;
        let mut lines = BufReader::new(out).lines();
        let port = loop {
            let line = lines.next_line().await?.context("chromedriver ended")?;
            if let Some(rest) = line.split("started successfully on port ").nth(1) {
                break rest.trim_end_matches('.').to_owned();
            }
        };
        // Somebody has to read on, or the driver blocks.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let profile = tempfile::tempdir()?;
        let options = json!({"goog:chromeOptions": {"args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--window-size=1200,900",
            format!("--user-data-dir={}", profile.path().display()),
        ]}});
        let Value::Object(options) = options else {
            bail!("options are an object");
        };
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(options)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await?;
        Ok(Self {
            client,
            _driver: driver,
            _profile: profile,
        })
    }

    /// # Errors
    /// When the page does not load.
    pub async fn open(&self, url: &str) -> anyhow::Result<()> {
        self.client.goto(url).await?;
        self.until(
            "the widget",
            "return !!document.querySelector('tandem-chat')?.shadowRoot",
        )
        .await?;
        self.script("document.querySelector('tandem-chat').open()")
            .await?;
        Ok(())
    }

    /// # Errors
    /// When the page does not load again.
    pub async fn reload(&self) -> anyhow::Result<()> {
        self.client.refresh().await?;
        self.until(
            "the widget",
            "return !!document.querySelector('tandem-chat')?.shadowRoot",
        )
        .await?;
        self.script("document.querySelector('tandem-chat').open()")
            .await?;
        Ok(())
    }

    /// Types a message and presses Enter.
    ///
    /// # Errors
    /// When there is nowhere to type.
    pub async fn say(&self, text: &str) -> anyhow::Result<()> {
        let area = self
            .element("return root.querySelector('textarea')")
            .await?;
        area.send_keys(text).await?;
        area.send_keys("\u{e007}").await?;
        Ok(())
    }

    /// Clicks the newest button of this label.
    ///
    /// # Errors
    /// When there is none after a while.
    pub async fn press(&self, label: &str) -> anyhow::Result<()> {
        let find = format!(
            "return [...root.querySelectorAll('button.pick')].filter(b => b.textContent.trim() === {}).pop()",
            json!(label)
        );
        self.until(
            label,
            &format!("{ROOT} {}", find.replacen("return ", "return !!", 1)),
        )
        .await?;
        self.element(&find).await?.click().await?;
        Ok(())
    }

    /// Chooses a file, as the file dialog would.
    ///
    /// # Errors
    /// When files cannot be sent.
    pub async fn upload(&self, path: &std::path::Path) -> anyhow::Result<()> {
        let picker = self
            .element("const i = root.querySelector('input[type=file]'); i.hidden = false; return i")
            .await?;
        picker
            .send_keys(path.to_str().context("a path in UTF-8")?)
            .await?;
        Ok(())
    }

    /// Everything that stands in the widget.
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn lines(&self) -> anyhow::Result<Vec<Shown>> {
        let found = self
            .script(&format!(
                "{ROOT} return [...root.querySelectorAll('.log .m')].map(m => ({{
                    me: m.classList.contains('me'),
                    text: [...m.querySelectorAll('.b')].map(b => b.textContent).join('\\n'),
                    buttons: [...m.querySelectorAll('.pick')].map(b => b.textContent.trim()),
                }}))"
            ))
            .await?;
        Ok(serde_json::from_value(found)?)
    }

    /// Waits until a line of the other side that comes after the visitor's last one holds this
    /// text, and gives all lines.
    ///
    /// # Errors
    /// When it does not come within ten seconds; with what stands there instead.
    pub async fn answered(&self, text: &str) -> anyhow::Result<Vec<Shown>> {
        for _ in 0..200 {
            let lines = self.lines().await?;
            let after = lines.iter().rposition(|l| l.me).map_or(0, |at| at + 1);
            if lines[after..].iter().any(|l| l.text.contains(text)) {
                return Ok(lines);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!(
            "no answer with {text:?}; there is {:#?}",
            self.lines().await?
        )
    }

    /// Runs a script in the page.
    ///
    /// # Errors
    /// When it throws.
    pub async fn script(&self, script: &str) -> anyhow::Result<Value> {
        Ok(self.client.execute(script, vec![]).await?)
    }

    /// Waits until a script gives true.
    ///
    /// # Errors
    /// When it does not within ten seconds.
    pub async fn until(&self, what: &str, script: &str) -> anyhow::Result<()> {
        for _ in 0..200 {
            if self.script(script).await? == Value::Bool(true) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("{what} did not come")
    }

    /// A picture of the window as PNG.
    ///
    /// # Errors
    /// When the window is gone.
    pub async fn screenshot(&self) -> anyhow::Result<Vec<u8>> {
        Ok(self.client.screenshot().await?)
    }

    /// # Errors
    /// When the window is gone already.
    pub async fn close(self) -> anyhow::Result<()> {
        Ok(self.client.close().await?)
    }

    /// The element a script inside the widget gives.
    async fn element(&self, script: &str) -> anyhow::Result<Element> {
        let found = self.script(&format!("{ROOT} {script}")).await?;
        let id = found
            .as_object()
            .and_then(|o| o.values().next())
            .and_then(Value::as_str)
            .context("no such element")?;
        Ok(Element::from_element_id(
            self.client.clone(),
            fantoccini::elements::ElementRef::from(id.to_owned()),
        ))
    }
}
