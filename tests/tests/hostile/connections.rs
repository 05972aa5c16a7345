//! Clients that dawdle, stop half way or speak something else.

use serde_json::json;
use tandem_tests::server::{Server, Setup};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{is_answered, own_ids, small};

/// Says something at the server's door and keeps the connection.
async fn begin(server: &Server, bytes: &[u8]) -> TcpStream {
    let address = server.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// All the server says until it hangs up.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // Hung up on in the middle of a word counts too.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn headers_that_never_end_are_hung_up_on_while_others_are_answered() {
    let setup = Setup::config(json!({"server": {"idle_timeout": "1s"}}));
    let (server, _pack) = small(setup).await;
    let mut ann = server.visitor().await.unwrap();
    let mut waiting = Vec::new();
    for n in 0..200 {
        let words: &[u8] = match n % 3 {
            0 => b"",
            1 => b"POST /web/web/messages HTTP/1.1\r\nhost: x\r\nx-a: ",
            _ => b"GET /web/web/settings HTTP/1.1\r\nhost: x\r\n\r\n",
        };
        waiting.push(begin(&server, words).await);
    }
    is_answered(&mut ann).await;
    // A byte now and then does not buy more time.
    let mut dripping = begin(&server, b"GET / HTTP/1.1\r\n").await;
    let drip = async {
        while dripping.write_all(b"a").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let end = std::time::Duration::from_secs(20);
    tokio::time::timeout(end, drip)
        .await
        .expect("it drips on for ever");
    for (n, stream) in waiting.into_iter().enumerate() {
        let said = tokio::time::timeout(end, rest(stream)).await;
        let said = said.unwrap_or_else(|_| panic!("connection {n} is still open"));
        assert_eq!(said.contains("200 OK"), n % 3 == 2, "{said}");
    }
    is_answered(&mut ann).await;
}

#[tokio::test]
async fn a_server_that_stops_waits_for_nobody_who_dawdles() {
    let setup = Setup::config(json!({"limits": {"drain": "1s"}}));
    let (mut server, _pack) = small(setup).await;
    let mut ann = server.visitor().await.unwrap();
    is_answered(&mut ann).await;
    let header = "POST /web/web/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n";
    let head = begin(&server, header.as_bytes()).await;
    let body = format!(
        "{header}authorization: Bearer {}\r\n\r\n{{\"client_id\"",
        ann.token
    );
    let body = begin(&server, body.as_bytes()).await;
    let live = ann.live().await.unwrap();
    server.stop().await.unwrap();
    drop((head, body, live));
    server.restart().await.unwrap();
    ann.url.clone_from(&server.url);
    is_answered(&mut ann).await;
    assert_eq!(own_ids(&ann.transcript().await.unwrap()), ["m1", "m2"]);
}

#[tokio::test]
async fn what_is_no_http_and_no_websocket_is_refused() {
    let (server, _pack) = small(Setup::default()).await;
    let mut ann = server.visitor().await.unwrap();
    let many = (0..200)
        .map(|n| format!("x-{n}: {n}\r\n"))
        .collect::<String>();
    let wrong: [(&str, Vec<u8>); 7] = [
        ("TLS", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".repeat(20)),
        ("noise", (0..=255).cycle().take(4096).collect()),
        ("no such version", b"GET / HTTP/9.9\r\n\r\n".to_vec()),
        ("a line break in a header", b"GET / HTTP/1.1\r\nhost: x\r\na\0b: c\r\n\r\n".to_vec()),
        ("two lengths", b"POST /web/web/session HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 20\r\n\r\n{}".to_vec()),
        ("too many headers", format!("GET / HTTP/1.1\r\n{many}\r\n").into_bytes()),
        ("a header without end", [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'a'; 1 << 20]].concat()),
    ];
    for (what, bytes) in wrong {
        let address = server.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        // It may hang up before it has heard all.
        let _ = stream.write_all(&bytes).await;
        let said = rest(stream).await;
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 4"),
            "{what}: {said}"
        );
    }
    // A socket that turns into noise after the handshake.
    let handshake = "GET /web/web/socket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let noises: [&[u8]; 4] = [
        b"\x83\x80\0\0\0\0",                         // an opcode that is none
        b"\x81\x05hello",                            // not masked
        b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", // a length beyond everything
        b"\xf1\x80\0\0\0\0",                         // reserved bits
    ];
    for noise in noises {
        let mut stream = begin(&server, handshake.as_bytes()).await;
        stream.write_all(noise).await.unwrap();
        let said = rest(stream).await;
        assert!(said.starts_with("HTTP/1.1 101"), "{noise:?}: {said}");
    }
    is_answered(&mut ann).await;
}
