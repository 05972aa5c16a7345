//! The plugin against a server that says what the test wants.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tandem_irc::Irc;
use tandem_plugin_sdk::{
    abi::code::BUSY,
    testkit::{Kit, Plan, Refused, Started, conformance},
    wire::Part,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// The far end: accepts one connection after the other.
struct Far(TcpListener);

/// One connection of the plugin, seen from the server.
struct Wire {
    read: BufReader<TcpStream>,
    write: TcpStream,
}

impl Far {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn config(&self) -> Value {
        let server = self.0.local_addr().unwrap().to_string();
        json!({"server": server, "tls": false, "nick": "bot", "channels": ["#shop"], "line_ms": 0})
    }

    fn accept(&self) -> Wire {
        let (stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Wire {
            read: BufReader::new(stream.try_clone().unwrap()),
            write: stream,
        }
    }
}

impl Wire {
    fn read(&mut self) -> String {
        let mut line = String::new();
        self.read.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Lines up to the one that begins so.
    fn until(&mut self, start: &str) -> String {
        loop {
            let line = self.read();
            assert!(!line.is_empty(), "the connection ended before {start:?}");
            if line.starts_with(start) {
                return line;
            }
        }
    }

    fn say(&mut self, line: &str) {
        let bytes = format!("{line}\r\n");
        self.write.write_all(bytes.as_bytes()).unwrap();
    }

    /// The greeting of a server that knows nothing new.
    fn greet(&mut self, nick: &str) {
        self.until("USER ");
        self.say(":irc 421 * CAP :Unknown command");
        self.welcome(nick);
    }

    fn welcome(&mut self, nick: &str) {
        self.say(&format!(":irc 001 {nick} :Welcome"));
        self.say(&format!(":irc 422 {nick} :No message of the day"));
        self.until("JOIN #shop");
    }
}

/// The plugin, running.
struct Running {
    kit: Kit,
    started: Arc<Started>,
    run: thread::JoinHandle<Result<Value, Refused>>,
}

type Sent = thread::JoinHandle<Result<Value, Refused>>;

fn run(config: &Value) -> Running {
    let kit = Kit::of::<Irc>();
    let started = Arc::new(kit.start(config).unwrap());
    let runs = started.clone();
    let run = thread::spawn(move || runs.call("channel.run", &json!({})));
    Running { kit, started, run }
}

impl Running {
    fn send(&self, to: &Value, text: &str) -> Sent {
        let started = self.started.clone();
        let message = json!({"message": {"uuid": "u", "conversation": to,
            "author": {"kind": "bot"}, "content": {"parts": [{"type": "text", "text": text}]}}});
        thread::spawn(move || started.call("channel.send", &message))
    }

    fn stop(self, mut wire: Wire) {
        self.started.call("channel.stop", &json!({})).unwrap();
        wire.until("QUIT");
        drop(wire);
        assert_eq!(self.run.join().unwrap().unwrap(), Value::Null);
    }
}

fn code(sent: Sent) -> String {
    match sent.join().unwrap() {
        Ok(_) => "sent".to_owned(),
        Err(refused) => refused.error.code,
    }
}

#[test]
fn it_passes_the_suite() {
    let plan = Plan {
        config: Far::new().config(),
        refused: vec![
            json!({}),
            json!({"server": "irc.example"}),
            json!({"server": "irc.example", "nick": "bot", "chanels": []}),
            json!({"server": "irc.example", "nick": "bot", "sasl": "a\nb"}),
        ],
        calls: vec![("channel.open".into(), json!({}))],
        fails: Vec::new(),
    };
    conformance(&Kit::of::<Irc>(), &plan).assert_passed();
}

#[test]
fn words_meant_for_it_are_handed_in_and_answers_are_confirmed() {
    let far = Far::new();
    let running = run(&far.config());
    let mut wire = far.accept();
    wire.greet("bot");
    wire.say("PING :x");
    assert_eq!(wire.until("PONG"), "PONG :x");
    wire.say("@msgid=m1 :ann!a@h PRIVMSG bot :\u{3}4hello");
    wire.say(":ann!a@h PRIVMSG #shop :nobody is asked");
    wire.say("@msgid=m1 :ann!a@h PRIVMSG bot :hello");
    wire.say(":bo!b@h PRIVMSG #shop :bot: and me?");
    let events = running.kit.host().wait_for_events(2, PATIENCE);
    assert_eq!(events.len(), 2, "the same id is one event");
    assert_eq!(events[0].id, "m m1");
    assert_eq!(events[0].conversation.id, "ann");
    assert_eq!(events[1].conversation.id, "#shop");
    assert!(events[1].mentions_me);

    let to = serde_json::to_value(&events[1].conversation).unwrap();
    let sent = running.send(&to, "Hello!\nWhat is it?\r\nQUIT");
    assert_eq!(wire.until("PRIVMSG"), "PRIVMSG #shop :bo: Hello!");
    assert_eq!(wire.read(), "PRIVMSG #shop :What is it?");
    assert_eq!(wire.read(), "PRIVMSG #shop :QUIT");
    let ping = wire.until("PING");
    let token = ping.strip_prefix("PING ").unwrap();
    wire.say(&format!(":irc PONG irc {token}"));
    assert_eq!(code(sent), "sent");
    running.stop(wire);
}

#[test]
fn what_a_server_refuses_is_refused_and_what_it_does_not_confirm_is_uncertain() {
    let far = Far::new();
    let running = run(&far.config());
    let mut wire = far.accept();
    wire.greet("bot");
    let sent = running.send(&json!({"id": "gone"}), "Hello!");
    wire.until("PRIVMSG gone");
    wire.say(":irc 401 bot gone :No such nick");
    assert_eq!(code(sent), "rejected");
    for odd in ["a b", "a,b", "a\r\nQUIT", "", ":x"] {
        let sent = running.send(&json!({"id": odd}), "Hello!");
        assert_eq!(code(sent), "rejected", "{odd:?}");
    }
    let ann = json!({"id": "ann"});
    let sent = running.send(&ann, "Hello!");
    wire.until("PRIVMSG ann");
    drop(wire);
    assert_eq!(code(sent), "uncertain", "it may have arrived");
    let Running { run, started, kit } = running;
    assert_eq!(run.join().unwrap().unwrap_err().error.code, "lost");
    let run = thread::spawn(|| Ok(Value::Null));
    let ended = Running { kit, started, run };
    assert_eq!(code(ended.send(&ann, "x")), "transient", "nothing left");
}

#[test]
fn a_nick_in_use_gives_way_and_is_taken_back() {
    let far = Far::new();
    let running = run(&far.config());
    let mut wire = far.accept();
    wire.until("USER ");
    wire.say(":irc 433 * bot :Nickname is already in use");
    assert_eq!(wire.until("NICK"), "NICK bot_");
    wire.welcome("bot_");
    assert_eq!(wire.until("NICK"), "NICK bot");
    wire.say(":bot_!t@h NICK bot");
    wire.say(":ann!a@h PRIVMSG #shop :bot: hello");
    assert_eq!(running.kit.host().wait_for_events(1, PATIENCE).len(), 1);
    running.stop(wire);
}

#[test]
fn a_wrong_password_stops_and_is_told_without_it() {
    let far = Far::new();
    let mut config = far.config();
    config["sasl"] = "secret".into();
    config["account"] = "shop".into();
    let running = run(&config);
    let mut wire = far.accept();
    wire.until("USER ");
    wire.say(":irc CAP * LS * :message-tags");
    wire.say(":irc CAP * LS :sasl=PLAIN account-tag");
    assert_eq!(wire.read(), "CAP REQ :message-tags account-tag sasl");
    wire.say(":irc CAP bot ACK :message-tags account-tag sasl");
    assert_eq!(wire.read(), "AUTHENTICATE PLAIN");
    wire.say("AUTHENTICATE +");
    assert_eq!(wire.read(), "AUTHENTICATE AHNob3AAc2VjcmV0");
    wire.say(":irc 904 bot :SASL authentication failed");
    let ended = running.run.join().unwrap().unwrap_err();
    assert_eq!(ended.error.code, "unauthorized");
    assert!(!ended.error.message.contains("secret"));
}

#[test]
fn what_the_inbox_does_not_take_at_once_is_kept_in_order() {
    let far = Far::new();
    let running = run(&far.config());
    let mut wire = far.accept();
    wire.greet("bot");
    running.kit.host().refuse(Some(BUSY));
    for n in 0..250 {
        wire.say(&format!(":ann!a@h PRIVMSG bot :{n}"));
    }
    wire.say("PING :all");
    wire.until("PONG :all");
    running.kit.host().refuse(None);
    let events = running.kit.host().wait_for_events(250, PATIENCE);
    let said = events.iter().map(|event| match &event.parts[0] {
        Part::Text { text } => text.clone(),
        other => panic!("{other:?}"),
    });
    let expected: Vec<String> = (0..250).map(|n| n.to_string()).collect();
    assert_eq!(said.collect::<Vec<_>>(), expected);
    running.stop(wire);
}
