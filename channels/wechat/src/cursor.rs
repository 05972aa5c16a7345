//! Where we are in the messages of 微信客服: one small file a desk, written after the messages
//! before it were committed.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Longest cursor; the platform's have at most 64 bytes.
const LONGEST: usize = 1024;

/// The cursor of one desk.
#[derive(Clone, Debug)]
pub struct Cursor {
    path: PathBuf,
}

impl Cursor {
    /// `desk` is an id of the configuration: letters, digits, '-' and '_'.
    #[must_use]
    pub fn new(folder: &Path, desk: &str) -> Self {
        Self {
            path: folder.join(format!("{desk}.cursor")),
        }
    }

    /// What was kept last; none at the very first start.
    ///
    /// # Errors
    /// When the file cannot be read or holds none. Going on without would fetch three days anew,
    /// which is known by its ids but long.
    pub async fn load(&self) -> io::Result<Option<String>> {
        match tokio::fs::read_to_string(&self.path).await {
            Ok(text) if (1..=LONGEST).contains(&text.len()) => Ok(Some(text)),
            Ok(_) => Err(io::Error::other(format!(
                "{} holds no cursor; delete it to fetch the last three days once more",
                self.path.display()
            ))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps a cursor durably: either it or the one before is there afterwards.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn save(&self, cursor: &str) -> io::Result<()> {
        let (path, cursor) = (self.path.clone(), cursor.to_owned());
        tokio::task::spawn_blocking(move || write(&path, &cursor))
            .await
            .map_err(io::Error::other)?
    }
}

fn write(path: &Path, cursor: &str) -> io::Result<()> {
    if cursor.is_empty() || cursor.len() > LONGEST {
        return Err(io::Error::other("the platform gave a cursor of no use"));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let part = path.with_extension("part");
    let mut file = std::fs::File::create(&part)?;
    file.write_all(cursor.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&part, path)?;
    // The new name is durable with its folder.
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_cursor_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let cursor = Cursor::new(&folder.path().join("a/b"), "wk1");
        assert_eq!(cursor.load().await.unwrap(), None);
        cursor.save("one").await.unwrap();
        cursor.save("two").await.unwrap();
        assert_eq!(cursor.load().await.unwrap().as_deref(), Some("two"));
        assert!(cursor.save("").await.is_err());
        assert_eq!(cursor.load().await.unwrap().as_deref(), Some("two"));
        std::fs::write(folder.path().join("a/b/wk1.cursor"), "").unwrap();
        assert!(cursor.load().await.is_err());
    }
}
