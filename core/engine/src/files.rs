//! Uploads on disk, outside the database: one file an id, in folders of two hex digits.

use std::path::PathBuf;

use tandem_domain::{FileId, WorkspaceId};
use tokio::io::AsyncWriteExt as _;

/// Where uploads live.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
}

impl Files {
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Writes a file whole and durably: under another name first, so that a half-written one is
    /// never found.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn write(
        &self,
        workspace: &WorkspaceId,
        id: FileId,
        bytes: &[u8],
    ) -> std::io::Result<()> {
        let path = self.path(workspace, id);
        let folder = path
            .parent()
            .expect("a file's path has a folder")
            .to_path_buf();
        tokio::fs::create_dir_all(&folder).await?;
        let part = path.with_extension("part");
        let mut file = tokio::fs::File::create(&part).await?;
        let written = async {
            file.write_all(bytes).await?;
            file.sync_all().await?;
            tokio::fs::rename(&part, &path).await?;
            // The folder's entry is durable only once the folder is.
            tokio::fs::File::open(&folder).await?.sync_all().await
        }
        .await;
        if written.is_err() {
            // The first error is the one to report.
            let _ = tokio::fs::remove_file(&part).await;
        }
        written
    }

    /// # Errors
    /// When the file is gone or cannot be read.
    pub async fn read(&self, workspace: &WorkspaceId, id: FileId) -> std::io::Result<Vec<u8>> {
        tokio::fs::read(self.path(workspace, id)).await
    }

    fn path(&self, workspace: &WorkspaceId, id: FileId) -> PathBuf {
        let name = id.0.simple().to_string();
        // The first digits of a UUIDv7 are its time; the last ones spread.
        let folder = name[name.len() - 2..].to_owned();
        // A workspace's name is free text; its hash is safe in a path.
        let workspace = FileId::derive(&[workspace.as_str()]).0.simple().to_string();
        self.root.join(workspace).join(folder).join(name)
    }
}
