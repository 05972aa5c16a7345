//! What a file is, by its bytes: neither its name nor what somebody says of it counts.

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileType {
    pub mime: &'static str,
    /// What its name ends in, without the dot.
    pub ending: &'static str,
}

impl FileType {
    /// The name with an ending that does not lie.
    #[must_use]
    pub fn name(self, given: &str) -> String {
        let ending = given.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase());
        let fits = ending.is_some_and(|ending| match self.mime {
            "text/plain" => {
                ["txt", "csv", "tsv", "log", "md", "json", "ics"].contains(&ending.as_str())
            }
            "image/jpeg" => ["jpg", "jpeg", "jpe", "jfif"].contains(&ending.as_str()),
            "image/tiff" => ["tif", "tiff"].contains(&ending.as_str()),
            "image/heif" => ["heif", "heic"].contains(&ending.as_str()),
            "video/mp4" => ["mp4", "m4v"].contains(&ending.as_str()),
            "audio/ogg" | "audio/opus" => ["ogg", "oga", "opus"].contains(&ending.as_str()),
            "audio/m4a" => ["m4a", "mp4", "aac"].contains(&ending.as_str()),
            _ => ending == self.ending,
        });
        if fits {
            given.to_owned()
        } else {
            format!("{given}.{}", self.ending)
        }
    }
}

/// The type as the bytes tell it. Text that a browser might run is none.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Option<FileType> {
    if looks_like_markup(bytes) {
        return None;
    }
    if let Some(kind) = infer::get(bytes) {
        return Some(FileType {
            mime: kind.mime_type(),
            ending: kind.extension(),
        });
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    if text.chars().any(odd) || text.starts_with("#!") {
        return None;
    }
    Some(FileType {
        mime: "text/plain",
        ending: "txt",
    })
}

/// HTML, SVG, XML: begins with `<` after what browsers skip.
fn looks_like_markup(bytes: &[u8]) -> bool {
    let bytes = bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .or_else(|| bytes.strip_prefix(b"\xff\xfe"))
        .or_else(|| bytes.strip_prefix(b"\xfe\xff"))
        .unwrap_or(bytes);
    bytes
        .iter()
        .find(|b| !b.is_ascii_whitespace() && **b != 0)
        .is_some_and(|b| *b == b'<')
}
