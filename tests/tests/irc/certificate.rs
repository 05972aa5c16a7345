//! Certificates that are made for a test.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use tandem_tests::require;
use tempfile::TempDir;

/// Somebody who signs certificates.
pub(crate) struct Authority(TempDir);

/// A server's certificate with its key, signed by an authority.
pub(crate) struct Certificate {
    folder: PathBuf,
    name: String,
}

impl Authority {
    /// `None`, visibly, where nobody can make certificates.
    pub fn new(test: &str) -> Option<Self> {
        if !require::tool("openssl", test) {
            return None;
        }
        let authority = Self(tempfile::tempdir().unwrap());
        let own = ["-addext", "basicConstraints=critical,CA:TRUE"];
        authority.make("ca", "/CN=An authority of the test", &own);
        Some(authority)
    }

    /// Its own certificate, in PEM.
    pub fn ca(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }

    /// A certificate for this name: `IP:127.0.0.1`, `DNS:irc.example.test`.
    pub fn signs(&self, name: &str) -> Certificate {
        let file = name.replace([':', '.'], "-");
        let (ca, key) = (self.0.path().join("ca.pem"), self.0.path().join("ca.key"));
        let (ca, key) = (ca.display().to_string(), key.display().to_string());
        let name = format!("subjectAltName={name}");
        let rest = ["-CA", &ca, "-CAkey", &key, "-addext", &name, "-addext"];
        let rest = [&rest[..], &["basicConstraints=critical,CA:FALSE"]].concat();
        self.make(&file, "/CN=irc", &rest);
        Certificate {
            folder: self.0.path().to_owned(),
            name: file,
        }
    }

    fn make(&self, file: &str, subject: &str, rest: &[&str]) {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
            .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"])
            .args(["-keyout", &format!("{file}.key"), "-out"])
            .args([&format!("{file}.pem"), "-subj", subject])
            .args(rest)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{said}");
    }
}

impl Certificate {
    /// Lays it where the IRC server looks for it.
    pub fn put(&self, folder: &Path) {
        for kind in ["pem", "key"] {
            let to = folder.join(format!("irc.{kind}"));
            let from = self.folder.join(format!("{}.{kind}", self.name));
            fs::copy(from, &to).unwrap();
            // Read by whoever the IRC server becomes.
            fs::set_permissions(&to, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
}
