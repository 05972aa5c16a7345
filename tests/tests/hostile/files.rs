//! Uploads that are not what they say.

use std::path::Path;

use reqwest::{Response, multipart};
use serde_json::{Value, json};
use tandem_tests::{server::Setup, visitor::Visitor};

use super::{refusal, small};

pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

/// Uploads bytes under a name; the answer, whatever it is.
async fn upload(visitor: &Visitor, name: &str, mime: &str, bytes: &[u8]) -> Response {
    let part = multipart::Part::bytes(bytes.to_vec())
        .file_name(name.to_owned())
        .mime_str(mime)
        .unwrap();
    reqwest::Client::new()
        .post(format!("{}/web/web/files", visitor.url))
        .bearer_auth(&visitor.token)
        .multipart(multipart::Form::new().part("file", part))
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn files_are_what_their_bytes_are_and_stay_in_their_folder() {
    let (server, _pack) = small(Setup::default()).await;
    let ann = server.visitor().await.unwrap();
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    let lies: [(&str, &str, &[u8]); 5] = [
        ("photo.png", "image/png", b"<html><script>alert(1)</script>"),
        ("photo.svg", "image/svg+xml", svg),
        (
            "photo.png",
            "image/png",
            b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0",
        ),
        ("photo.png", "image/png", b"#!/bin/sh\nrm -rf /\n"),
        (
            "photo.png",
            "image/png",
            b"PK\x03\x04\x14\0\0\0\x08\0nonsense",
        ),
    ];
    for (name, mime, bytes) in lies {
        let answer = refusal(upload(&ann, name, mime, bytes).await).await;
        assert_eq!(answer, (415, "file_type".to_owned()), "{bytes:?}");
    }
    let empty = refusal(upload(&ann, "a.png", "image/png", b"").await).await;
    assert_eq!(empty, (400, "empty".to_owned()));
    // Too large, whether it says so or not.
    let mut large = PNG.to_vec();
    large.resize(11 << 20, 0);
    let answer = refusal(upload(&ann, "a.png", "image/png", &large).await).await;
    assert_eq!(answer, (413, "too_large".to_owned()));
    let pieces = large
        .chunks(64 << 10)
        .map(<[u8]>::to_vec)
        .map(Ok::<_, std::io::Error>);
    let pieces: Vec<_> = pieces.collect();
    let silent = server
        .http
        .post(format!("{}/web/web/files", server.url))
        .bearer_auth(&ann.token)
        .body(reqwest::Body::wrap_stream(futures::stream::iter(pieces)))
        .send()
        .await
        .unwrap();
    assert_eq!(silent.status(), 413);

    let mut stored = Vec::new();
    for (name, kept) in [
        ("../../../../etc/passwd", "passwd.png"),
        ("C:\\Windows\\system32\\cmd.exe", "cmd.exe.png"),
        ("/etc/cron.d/x.png", "x.png"),
        ("..", "file.png"),
        ("a\0b.png", "ab.png"),
    ] {
        let answer = server
            .http
            .post(format!("{}/web/web/files", server.url))
            .bearer_auth(&ann.token)
            .header("x-file-name", name.replace('\0', "%00"))
            .body(PNG)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 201, "{name}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(
            (&answer["name"], &answer["mime"]),
            (&json!(kept), &json!("image/png"))
        );
        stored.push(answer);
    }
    // Another visitor has no use for the reference, nor for the file's id.
    let bob = server.visitor().await.unwrap();
    let said = json!({"client_id": "f", "files": [stored[0]["ref"]]});
    let answer = refusal(bob.post(&said).await.unwrap()).await;
    assert_eq!(answer, (400, "bad_file".to_owned()));
    let id = stored[0]["id"].as_str().unwrap();
    for path in [id, "..%2f..%2ftandem.db", "%2e%2e%2ftandem.db", "0"] {
        let url = format!("{}/web/web/files/{path}", server.url);
        let answer = server
            .http
            .get(url)
            .bearer_auth(&bob.token)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
    // On disk: the files that were taken, under names of our own, and nothing else.
    let files = server.data().join("files");
    let found = all_files(&files);
    assert_eq!(found.len(), stored.len(), "{found:?}");
    let name = |path: &String| path.rsplit('/').next().unwrap().to_owned();
    for answer in &stored {
        let id = answer["id"].as_str().unwrap().replace('-', "");
        assert!(
            found.iter().any(|path| name(path) == id),
            "{id} in {found:?}"
        );
    }
}

fn all_files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all_files(&path));
        } else {
            found.push(path.display().to_string());
        }
    }
    found
}
