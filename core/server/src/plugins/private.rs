//! The folders that copies of libraries are loaded from.

use std::path::{Path, PathBuf};

/// A folder of one's own among the system's temporary files, which the host makes. It goes with
/// this.
pub struct Private(PathBuf);

impl Private {
    #[must_use]
    pub fn fresh() -> Self {
        let name = format!("tandem-plugins-{}", uuid::Uuid::now_v7());
        Self(std::env::temp_dir().join(name))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // Nobody looks for it again; a copy that is left does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Removes copies that a server which was killed left behind. Nobody else has this data folder now.
pub(super) fn sweep(private: &Path) {
    for left in std::fs::read_dir(private).into_iter().flatten().flatten() {
        if left.file_name().to_str().is_some_and(is_copy) {
            // One that stays takes room, and nothing else.
            let _ = std::fs::remove_file(left.path());
        }
    }
}

/// Whether a file is called as the host calls its copies, `PROCESS-NUMBER.so`, and nothing of
/// anybody else's.
fn is_copy(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let parts = name
        .strip_suffix(".so")
        .and_then(|stem| stem.split_once('-'));
    parts.is_some_and(|(process, count)| number(process) && number(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_copies_of_the_host_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["123-0.so", "libparcel.so", "a-1.so", "1-2.txt", "-1.so"];
        for name in names {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        sweep(folder.path());
        let left = names.map(|name| folder.path().join(name).exists());
        assert_eq!(left, [false, true, true, true, true]);
        sweep(&folder.path().join("none"));
    }

    #[test]
    fn a_folder_of_ones_own_goes_with_its_owner() {
        let (one, other) = (Private::fresh(), Private::fresh());
        assert_ne!(one.path(), other.path());
        let at = one.path().to_owned();
        std::fs::create_dir(&at).unwrap();
        std::fs::write(at.join("1-0.so"), "").unwrap();
        drop(one);
        assert!(!at.exists());
    }
}
