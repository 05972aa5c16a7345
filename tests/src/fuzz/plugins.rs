//! What crosses between the server and its plugins, read on either side.

use std::{
    io::Cursor,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tandem_plugin_abi::{
    code,
    services::{HostHandle, Services as AbiServices},
    table::{Answer, Instance},
};
use tandem_plugin_host::{
    Manifest, Meta, PluginError, Refusal, ServiceError, Services, elf,
    readers::{Message, decode, next, parse, talk},
    schema::{Schemas, check_config},
};
use tandem_plugin_sdk::{
    About, Action, Actions, Channel, Embedder, Error, Exporter, Host, HostError, ImageReader,
    Inbox, Kv, Plugin, SendError, SpeechToText, TextGenerator, TextToSpeech, Translator,
    ffi::linked,
    implement_plugin,
    wire::{
        Capabilities, Embed, Embedded, ExportBatch, ExportReceipt, Generate, Generated,
        HttpRequest, HttpResponse, ImageText, Inbound, Outbound, ReadImage, Receipt, Speak, Speech,
        Transcribe, Transcript, Translate, Translated, read,
    },
};
use tokio::{
    io::BufReader,
    runtime::{Builder, Runtime},
};

/// Bytes of a body or a line that are taken.
const BODY: usize = 4096;

/// Both languages have something to say.
fn told(refusal: &Refusal) {
    assert!(!refusal.to_string().is_empty() && !refusal.zh().is_empty());
}

fn failed(error: &PluginError) {
    assert!(!error.to_string().is_empty() && !error.zh().is_empty());
    assert!(!error.label().is_empty());
}

/// Lines: a manifest, a configuration, parameters or a result.
pub fn plugin_manifest(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let Ok(manifest) = read::<Manifest>(lines.next().unwrap_or_default()) else {
        return;
    };
    let written = serde_json::to_vec(&manifest).expect("what was read can be written");
    assert!(read::<Manifest>(&written).is_ok());
    if let Err(fault) = manifest.check() {
        assert!(!fault.to_string().is_empty() && !fault.zh().is_empty());
        return;
    }
    let schemas = match Schemas::of(&manifest) {
        Ok(schemas) => schemas,
        Err(refusal) => return told(&refusal),
    };
    let mut value = || read::<Value>(lines.next().unwrap_or_default()).unwrap_or_default();
    if let Err(refusal) = check_config(&manifest, &value()) {
        told(&refusal);
    }
    let crossing = value();
    for method in manifest.methods.keys() {
        let _ = schemas.check_params(method, &crossing);
        let _ = schemas.check_result(method, &crossing);
    }
}

/// A library's file.
pub fn plugin_elf(bytes: &[u8]) {
    match elf::inspect(bytes) {
        Ok(header) => assert_eq!(header.check(), Ok(())),
        Err(refusal) => told(&refusal),
    }
}

/// Gives back what it is asked, or says no.
struct Echo;

#[async_trait]
impl Services for Echo {
    async fn call(&self, _: &str, method: &str, params: Value) -> Result<Value, ServiceError> {
        match method {
            "kv.get" => Ok(params),
            "kv.put" => Err(ServiceError::Failed(Error::new("full", "no room"))),
            _ => Err(ServiceError::UnknownMethod),
        }
    }
}

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system gives a runtime");
}

/// What a process writes to its stdout, while it owes the answers to the calls 1 to 3.
pub fn plugin_lines(bytes: &[u8]) {
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            framing(bytes).await;
            let (ended, told) = talk(bytes.to_vec(), BODY, Arc::new(Echo)).await;
            for error in ended.iter().filter_map(|result| result.as_ref().err()) {
                failed(error);
            }
            // The process is told lines of JSON, whatever it says itself.
            for line in told.split_inclusive(|byte| *byte == b'\n') {
                if let Some(line) = line.strip_suffix(b"\n") {
                    assert!(read::<Value>(line).is_ok_and(|line| line.is_object()));
                }
            }
        });
    });
}

/// Lines are what stands between ends of lines, however the bytes come in.
async fn framing(bytes: &[u8]) {
    let mut from = BufReader::with_capacity(7, Cursor::new(bytes));
    let mut whole = bytes.split(|byte| *byte == b'\n');
    loop {
        let expected = whole.next();
        match next(&mut from, BODY).await {
            Ok(Some(line)) => {
                assert_eq!(Some(line.as_slice()), expected);
                if let Ok(Message::Asks { id: Some(id), .. }) = parse(&line) {
                    assert!(id.is_number() || id.is_string());
                }
            }
            Ok(None) => return assert!(expected.is_none_or(<[u8]>::is_empty)),
            Err(_) => return assert!(expected.is_some_and(|line| line.len() > BODY)),
        }
    }
}

/// The first byte chooses the code, the others are the body that a plugin in the process gives.
pub fn plugin_answers(bytes: &[u8]) {
    let Some((code, body)) = bytes.split_first() else {
        return;
    };
    let code = i32::from(*code % 12) - 8;
    let answer = Answer::new(code, body.to_vec());
    match decode(&answer, "action.a", BODY) {
        Ok(_) => assert!(code == code::OK && std::str::from_utf8(body).is_ok()),
        Err(error) => {
            failed(&error);
            if let PluginError::Failed(error) = error {
                let _ = SendError::from(error);
            }
        }
    }
}

/// A plugin of every kind. What it is asked and told is what is tried out; what it does is nothing.
struct Everything {
    inbox: Inbox,
    kv: Kv,
    host: Host,
}

impl Plugin for Everything {
    type Config = (Manifest, Option<Meta>, Vec<Value>);

    fn about() -> About {
        About::new("everything", "1")
    }

    fn create(_: Self::Config, host: Host) -> Result<Self, Error> {
        let (inbox, kv) = (host.inbox(), host.kv());
        Ok(Self { inbox, kv, host })
    }
}

impl Everything {
    /// Every way to ask the host, each by a number.
    fn ask(&self, which: u8, _: &Meta) -> Result<(), Error> {
        let error = SendError::Rejected {
            code: "c".to_owned(),
            message: "m".to_owned(),
        };
        let asked = match which % 7 {
            0 => self
                .inbox
                .accept(&[Inbound::text("e", "ada", 1, "hello")])
                .map(drop),
            1 => self.inbox.reply_within("e", 5).map(drop),
            2 => self.inbox.settle("c", Ok(&Receipt::default())),
            3 => self.inbox.settle("c", Err(error)),
            4 => self.kv.get::<Inbound>("k").map(drop),
            5 => self.kv.put("k", Some(&1)),
            _ => self.host.call::<Value>("any", &json!({})).map(drop),
        };
        asked.map_err(|why| {
            assert!(!why.to_string().is_empty());
            let code = if why == HostError::Gone {
                "gone"
            } else {
                "asked"
            };
            Error::new(code, why)
        })
    }
}

impl Action for Everything {
    fn actions(actions: &mut Actions<'_, Self>) {
        actions.add("value", |_: &Self, value: Value, _| Ok(value));
        actions.add("inbound", |_: &Self, event: Inbound, _| Ok(event));
        actions.add("ask", Self::ask);
    }
}

impl Channel for Everything {
    fn open(&self) -> Result<Capabilities, Error> {
        Ok(Value::Null)
    }

    fn run(&self) -> Result<(), Error> {
        Ok(())
    }

    fn stop(&self) {}

    fn send(&self, message: Outbound, _: &Meta) -> Result<Receipt, SendError> {
        assert!(message.content.plain().len() <= 64 * BODY);
        Ok(Receipt::default())
    }

    fn http(&self, request: HttpRequest, _: &Meta) -> Result<HttpResponse, Error> {
        Ok(HttpResponse::status(200).body("text/plain", request.body.0))
    }
}

/// Kinds whose one method gives nothing.
macro_rules! gives_nothing {
    ($($kind:ident: $method:ident($params:ty) -> $result:ty;)+) => {$(
        impl $kind for Everything {
            fn $method(&self, _: $params, _: &Meta) -> Result<$result, Error> {
                Ok(<$result>::default())
            }
        }
    )+};
}

gives_nothing! {
    Embedder: embed(Embed) -> Embedded;
    Translator: translate(Translate) -> Translated;
    TextGenerator: generate(Generate) -> Generated;
    ImageReader: read_image(ReadImage) -> ImageText;
    SpeechToText: transcribe(Transcribe) -> Transcript;
    TextToSpeech: speak(Speak) -> Speech;
    Exporter: export(ExportBatch) -> ExportReceipt;
}

implement_plugin!(Everything: action, channel, embedder, translator, text_generator, image_reader,
    speech_to_text, text_to_speech, exporter);

const METHODS: [&str; 14] = [
    "action.value",
    "action.inbound",
    "channel.open",
    "channel.run",
    "channel.stop",
    "channel.send",
    "channel.http",
    "embed",
    "translate",
    "generate",
    "image.read",
    "stt",
    "tts",
    "export",
];

/// Says to a plugin what it was told to say.
#[derive(Default)]
struct Says(Mutex<(i32, Vec<u8>)>);

impl Says {
    fn say(&self, code: i32, body: &[u8]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (code, body.to_vec());
    }
}

impl AbiServices for Says {
    fn log(&self, _: u32, _: &[u8]) {}

    fn call(&self, _: &[u8], _: &[u8]) -> (i32, Vec<u8>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

struct Stage {
    says: Arc<Says>,
    host: HostHandle,
    plugin: Instance,
}

thread_local! {
    static STAGE: Stage = {
        let says = Arc::new(Says::default());
        let host = HostHandle::open(says.clone());
        let config = br#"[{"name": "a", "version": "1", "kinds": {}, "methods": {}}, null, []]"#;
        let plugin = linked::<Everything>().create(host.api(), config);
        let plugin = plugin.expect("a configuration of this shape");
        Stage { says, host, plugin }
    };
}

/// The first byte chooses: a configuration, a request of one method, or what the host answers.
pub fn plugin_sdk(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    STAGE.with(|stage| match usize::from(*first % 16) {
        0 => match linked::<Everything>().create(stage.host.api(), rest) {
            Ok(instance) => instance.destroy(),
            Err(answer) => assert_eq!(answer.code(), code::BAD_INPUT),
        },
        1 => {
            let [which, code, body @ ..] = rest else {
                return;
            };
            stage.says.say(i32::from(*code % 12) - 8, body);
            let request = json!({ "params": which }).to_string();
            let asked = stage.plugin.call("action.ask", request.as_bytes());
            assert!(matches!(asked.code(), code::OK | code::ERROR));
            assert!(decode(&asked, "action.ask", 64 * BODY).is_ok() || asked.code() == code::ERROR);
        }
        which => {
            let method = METHODS[which - 2];
            let answer = stage.plugin.call(method, rest);
            match answer.code() {
                // What one side writes, the other reads.
                code::OK => assert!(decode(&answer, method, 64 * BODY).is_ok()),
                other => assert_eq!(other, code::BAD_INPUT, "{method}"),
            }
        }
    });
}
