//! The kinds of channels this program has. A native one is registered in [`Kinds::with_natives`]
//! and nowhere else; one made of a single file is read by the reader of such files.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use serde_json::Value;
use tandem_channel_discord::DiscordKind;
use tandem_channel_kit::Kind;
use tandem_channel_script::{House, ScriptKind};
use tandem_channel_telegram::TelegramKind;
use tandem_channel_wechat::WechatKind;
use tandem_domain::capabilities::Capabilities;
use tandem_net::Transport;

/// Reads a channel that is described by one file.
pub type FileReader = Arc<dyn Fn(&Path) -> anyhow::Result<Arc<dyn Kind>> + Send + Sync>;

/// Kinds that a program of one's own adds to those shipped.
static OWN: OnceLock<Vec<Arc<dyn Kind>>> = OnceLock::new();

/// Adds kinds to what every command of this program knows. For the beginning of a program of
/// one's own: later calls change nothing.
pub fn add(kinds: Vec<Arc<dyn Kind>>) {
    // The first call counts: what was looked up by then must not change.
    let _ = OWN.set(kinds);
}

/// What `channels` in the configuration may name, besides `web`.
#[derive(Clone, Default)]
pub struct Kinds {
    natives: Vec<Arc<dyn Kind>>,
    files: Option<FileReader>,
}

impl Kinds {
    /// Those that come with the program, and those that were [added](add) to it.
    #[must_use]
    pub fn shipped() -> Self {
        let mut kinds = Self::default().with_natives(None).with_scripts(None);
        kinds
            .natives
            .extend(OWN.get().into_iter().flatten().cloned());
        kinds
    }

    /// With the native channels that come with the program. With a transport they can be opened;
    /// those of an earlier call give way.
    #[must_use]
    pub fn with_natives(mut self, transport: Option<&Transport>) -> Self {
        self = self
            .in_place(Arc::new(TelegramKind))
            .in_place(Arc::new(DiscordKind));
        for kind in WechatKind::all(transport) {
            self = self.in_place(Arc::new(kind));
        }
        self
    }

    /// With the channels in files: those that come with the program, and a reader of others. With
    /// a house they can be opened; those of an earlier call give way.
    #[must_use]
    pub fn with_scripts(mut self, house: Option<&House>) -> Self {
        for kind in ScriptKind::built_in(house) {
            self = self.in_place(Arc::new(kind));
        }
        let house = house.cloned();
        self.with_files(Arc::new(move |path| {
            Ok(Arc::new(ScriptKind::of_file(path, house.as_ref())?))
        }))
    }

    /// With this kind in the place of any other of its name.
    fn in_place(mut self, kind: Arc<dyn Kind>) -> Self {
        self.natives.retain(|known| known.name() != kind.name());
        self.with(kind)
    }

    /// With one native kind more.
    #[must_use]
    pub fn with(mut self, kind: Arc<dyn Kind>) -> Self {
        self.natives.push(kind);
        self
    }

    /// With a reader for channels in files.
    #[must_use]
    pub fn with_files(mut self, reader: FileReader) -> Self {
        self.files = Some(reader);
        self
    }

    #[must_use]
    pub fn native(&self, name: &str) -> Option<&Arc<dyn Kind>> {
        self.natives.iter().find(|kind| kind.name() == name)
    }

    /// The channel that a file describes.
    ///
    /// # Errors
    /// When it cannot be read, or this program reads no such files.
    pub fn of_file(&self, path: &Path) -> anyhow::Result<Arc<dyn Kind>> {
        match &self.files {
            Some(reader) => reader(path),
            None => anyhow::bail!("this program was built without channels in files"),
        }
    }

    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.natives
            .iter()
            .map(|kind| kind.name().to_owned())
            .collect()
    }

    /// Each native kind with what its accounts can show and take.
    pub fn capabilities(&self) -> impl Iterator<Item = (&str, Capabilities)> {
        let kinds = self.natives.iter();
        kinds.map(|kind| (kind.name(), kind.capabilities()))
    }

    /// Each native kind with the schema of its accounts' settings.
    pub fn schemas(&self) -> impl Iterator<Item = (&str, Value)> {
        self.natives.iter().map(|kind| (kind.name(), kind.schema()))
    }
}
