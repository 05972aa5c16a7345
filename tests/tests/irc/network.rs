//! An IRC network and people on it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tandem_tests::require;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

use crate::certificate::Certificate;

/// How long something that must happen is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A network of one server, Debian's ngIRCd.
pub(crate) struct Network {
    folder: TempDir,
    pub port: u16,
    /// Where it listens for TLS, once it has a certificate.
    pub tls_port: u16,
    child: Child,
}

impl Network {
    /// `None`, visibly, where there is no IRC server.
    pub fn start(test: &str) -> Option<Self> {
        Self::begin(test, None)
    }

    /// The same with TLS under this certificate.
    pub fn start_with(test: &str, certificate: &Certificate) -> Option<Self> {
        Self::begin(test, Some(certificate))
    }

    fn begin(test: &str, certificate: Option<&Certificate>) -> Option<Self> {
        if !require::tool("ngircd", test) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        // Whoever the server becomes when it is started by root reads it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (one, other) = (free(), free());
        let port = |listener: &std::net::TcpListener| listener.local_addr().unwrap().port();
        let (port, tls_port) = (port(&one), port(&other));
        drop((one, other));
        let mut config = format!(
            "[Global]\nName = irc.example.test\nInfo = A test\nListen = 127.0.0.1\nPorts = {port}\n\
             MotdPhrase = Welcome\n[Limits]\nMaxConnectionsIP = 0\nMaxNickLength = 20\n\
             MaxPenaltyTime = 0\n[Options]\nIdent = no\nPAM = no\nDNS = no\nSyslogFacility = local1\n"
        );
        if let Some(certificate) = certificate {
            certificate.put(folder.path());
            let at = folder.path().display();
            config += &format!(
                "[SSL]\nCertFile = {at}/irc.pem\nKeyFile = {at}/irc.key\nPorts = {tls_port}\n"
            );
        }
        fs::write(folder.path().join("ngircd.conf"), config).unwrap();
        let child = Self::launch(&folder);
        Some(Self {
            folder,
            port,
            tls_port,
            child,
        })
    }

    fn launch(folder: &TempDir) -> Child {
        let mut command = Command::new("ngircd");
        let command = command
            .arg("--nodaemon")
            .arg("--config")
            .arg(folder.path().join("ngircd.conf"));
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        quiet.spawn().unwrap()
    }

    /// It goes down with all connections, and comes back.
    pub fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = Self::launch(&self.folder);
    }

    /// It goes down, and comes back under another certificate.
    pub fn restart_with(&mut self, certificate: &Certificate) {
        certificate.put(self.folder.path());
        self.restart();
    }

    pub async fn person(&self, nick: &str) -> Person {
        let stream = within("a connection", async {
            loop {
                if let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)).await {
                    return stream;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let (read, write) = stream.await.into_split();
        let mut person = Person {
            nick: nick.to_owned(),
            lines: BufReader::new(read).lines(),
            write,
        };
        person.raw(&format!("NICK {nick}")).await;
        person.raw(&format!("USER {nick} 0 * :{nick}")).await;
        person.line_with(" 376 ").await;
        person
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what} did not come within {PATIENCE:?}"),
    }
}

/// Somebody with an IRC program.
pub(crate) struct Person {
    nick: String,
    lines: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
}

impl Person {
    pub async fn raw(&mut self, line: &str) {
        let bytes = format!("{line}\r\n");
        self.write.write_all(bytes.as_bytes()).await.unwrap();
    }

    pub async fn says(&mut self, to: &str, text: &str) {
        self.raw(&format!("PRIVMSG {to} :{text}")).await;
    }

    /// The next line that holds this.
    pub async fn line_with(&mut self, part: &str) -> String {
        let mut seen = Vec::new();
        let read = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("a connection");
                if let Some(token) = line.strip_prefix("PING ") {
                    let pong = format!("PONG {token}\r\n");
                    self.write.write_all(pong.as_bytes()).await.unwrap();
                } else if line.contains(part) {
                    return line;
                }
                seen.push(line);
            }
        };
        match timeout(PATIENCE, read).await {
            Ok(line) => line,
            Err(_) => panic!("{} waits for {part:?} and saw {seen:#?}", self.nick),
        }
    }

    /// Waits until the bot is on the network.
    pub async fn sees(&mut self, nick: &str) {
        while !self.is_on(nick).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether this nick is on the network now.
    pub async fn is_on(&mut self, nick: &str) -> bool {
        self.raw(&format!("ISON {nick}")).await;
        self.line_with(" 303 ").await.contains(&format!(":{nick}"))
    }

    /// Waits until the bot is in the channel.
    pub async fn sees_in(&mut self, nick: &str, channel: &str) {
        loop {
            self.raw(&format!("NAMES {channel}")).await;
            let names = self.line_with(" 353 ").await;
            self.line_with(" 366 ").await;
            let names = names.rsplit(':').next().unwrap_or_default().to_owned();
            if names
                .split(' ')
                .any(|name| name.trim_start_matches(['@', '+']) == nick)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn asks(&mut self, to: &str, text: &str, answer: &str) -> String {
        self.says(to, text).await;
        self.line_with(answer).await
    }
}
