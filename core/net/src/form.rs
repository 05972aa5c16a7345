//! A form with files, as `multipart/form-data` writes it.

use bytes::BytesMut;
use uuid::Uuid;

use crate::Body;

/// Fields in the order they are added.
#[derive(Debug)]
pub struct Form {
    /// Nobody who writes a field can guess it.
    boundary: String,
    written: BytesMut,
}

impl Default for Form {
    fn default() -> Self {
        Self::new()
    }
}

impl Form {
    #[must_use]
    pub fn new() -> Self {
        Self {
            boundary: Uuid::now_v7().simple().to_string(),
            written: BytesMut::new(),
        }
    }

    pub fn text(&mut self, name: &str, text: &str) {
        self.part(name, None, None, text.as_bytes());
    }

    pub fn file(&mut self, name: &str, filename: &str, mime: &str, bytes: &[u8]) {
        self.part(name, Some(filename), Some(mime), bytes);
    }

    /// A field of any kind. What would break out of its line is replaced.
    pub fn part(&mut self, name: &str, filename: Option<&str>, mime: Option<&str>, bytes: &[u8]) {
        let mut head = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{}\"",
            self.boundary,
            quoted(name)
        );
        if let Some(filename) = filename {
            head.push_str(&format!("; filename=\"{}\"", quoted(filename)));
        }
        if let Some(mime) = mime {
            let plain: String = mime.chars().filter(|c| !c.is_control()).collect();
            head.push_str(&format!("\r\nContent-Type: {plain}"));
        }
        self.written.extend_from_slice(head.as_bytes());
        self.written.extend_from_slice(b"\r\n\r\n");
        self.written.extend_from_slice(bytes);
        self.written.extend_from_slice(b"\r\n");
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.written.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    #[must_use]
    pub fn finish(mut self) -> Body {
        let end = format!("--{}--\r\n", self.boundary);
        self.written.extend_from_slice(end.as_bytes());
        let bytes = self.written.freeze();
        Body::Bytes {
            content_type: format!("multipart/form-data; boundary={}", self.boundary),
            bytes,
        }
    }
}

fn quoted(name: &str) -> String {
    let safe = |c: char| match c {
        '"' | '\\' => '_',
        c if c.is_control() => '_',
        c => c,
    };
    name.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_out_of_its_line() {
        let mut form = Form::new();
        form.text("chat_id", "7");
        form.file("file", "a\"\r\nX: y.png", "image/png\r\n", b"\x89PNG");
        let boundary = form.boundary.clone();
        let Body::Bytes {
            content_type,
            bytes,
        } = form.finish()
        else {
            panic!("a form is bytes");
        };
        assert!(content_type.ends_with(&boundary));
        let text = String::from_utf8_lossy(&bytes);
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n7\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a___X: y.png\"\r\n\
             Content-Type: image/png\r\n\r\n\u{fffd}PNG\r\n--{boundary}--\r\n"
        );
        assert_eq!(text, expected);
    }
}
