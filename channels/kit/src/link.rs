//! Public links to stored files, for platforms that fetch media by themselves and for customers
//! whose channel cannot take a file: whoever has the address may read the one file for a while.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use ring::hmac;
use tandem_domain::{FileId, Timestamp};

/// Longest signature that is looked at.
const LONGEST: usize = 100;
const DAY: i64 = 24 * 3600 * 1000;
/// Days a link holds at least.
const DAYS: i64 = 7;

/// Makes links to the files of one workspace, and checks them.
#[derive(Clone, Debug)]
pub struct Links {
    key: hmac::Key,
    scope: String,
    base: String,
}

/// What a link is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    Good,
    /// We made it, and its time is over.
    Expired,
    Forged,
}

impl Links {
    /// `secret` is the server's; links of one `scope` open no file of another. `base` is what the
    /// file's id is put after: `https://help.example.com/files/default`.
    #[must_use]
    pub fn new(secret: &[u8], scope: &str, base: &str) -> Self {
        // The secret has other uses: links are signed under a key of their own.
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let own = hmac::sign(&root, b"tandem links to files");
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()),
            scope: scope.to_owned(),
            base: base.trim_end_matches('/').to_owned(),
        }
    }

    /// The file's address, good for [`DAYS`] days or a little more. The same for a day, so that
    /// what is said again is said in the same words.
    #[must_use]
    pub fn to(&self, file: FileId, now: Timestamp) -> String {
        let until = Timestamp((now.0 / DAY + DAYS + 1) * DAY);
        let mac = hmac::sign(&self.key, self.signed(file, until).as_bytes());
        let mac = BASE64URL.encode(mac.as_ref());
        format!("{}/{file}?s={}.{mac}", self.base, until.0)
    }

    /// The address of what a part of a message refers to, where that is a stored file.
    #[must_use]
    pub fn of(&self, reference: &str, now: Timestamp) -> Option<String> {
        let file = reference.strip_prefix("file:")?.parse().ok()?;
        Some(self.to(file, now))
    }

    /// Whether the signature opens this file. It is compared in constant time.
    #[must_use]
    pub fn check(&self, file: FileId, signature: &str, now: Timestamp) -> Pass {
        let parts = signature
            .split_once('.')
            .filter(|_| signature.len() <= LONGEST);
        let read = parts.and_then(|(until, mac)| {
            let until: i64 = until.parse().ok()?;
            Some((Timestamp(until), BASE64URL.decode(mac).ok()?))
        });
        let Some((until, mac)) = read else {
            return Pass::Forged;
        };
        let signed = self.signed(file, until);
        match hmac::verify(&self.key, signed.as_bytes(), &mac) {
            Err(_) => Pass::Forged,
            Ok(()) if until <= now => Pass::Expired,
            Ok(()) => Pass::Good,
        }
    }

    fn signed(&self, file: FileId, until: Timestamp) -> String {
        format!("{}\n{file}\n{}", self.scope, until.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_760_000_000_000);

    fn signature(link: &str) -> &str {
        link.split_once("?s=").unwrap().1
    }

    #[test]
    fn a_link_opens_its_own_file_for_a_week() {
        let links = Links::new(&[7; 32], "a", "https://help.test/files/a/");
        let (file, other) = (FileId::fresh(), FileId::fresh());
        let link = links.to(file, NOW);
        assert!(link.starts_with(&format!("https://help.test/files/a/{file}?s=")));
        assert_eq!(links.of(&format!("file:{file}"), NOW), Some(link.clone()));
        let signature = signature(&link);
        let at = |days: i64| Timestamp(NOW.0 + days * DAY);
        assert_eq!(links.check(file, signature, at(7)), Pass::Good);
        assert_eq!(links.check(file, signature, at(9)), Pass::Expired);
        assert_eq!(links.check(other, signature, NOW), Pass::Forged);
        let elsewhere = Links::new(&[7; 32], "b", "https://help.test/files/a");
        assert_eq!(elsewhere.check(file, signature, NOW), Pass::Forged);
    }

    #[test]
    fn no_changed_link_opens_anything() {
        let links = Links::new(&[7; 32], "a", "https://help.test/files/a");
        let file = FileId::fresh();
        let link = links.to(file, NOW);
        let good = signature(&link);
        for at in 0..good.len() {
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert_ne!(links.check(file, &changed, NOW), Pass::Good, "{changed}");
        }
        let (until, _) = good.split_once('.').unwrap();
        for bad in ["", ".", until, &format!("{until}."), &"9".repeat(101)] {
            assert_eq!(links.check(file, bad, NOW), Pass::Forged, "{bad}");
        }
    }
}
