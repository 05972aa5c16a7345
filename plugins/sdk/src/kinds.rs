//! One trait for each kind of plugin.
//!
//! Every method may fail with an [`Error`]; its `code` is what a flow's `on_error` chooses by. All
//! of them have to return within [`Meta::deadline_ms`].

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Error, Meta, MethodSpec, Plugin, SendError,
    methods::Methods,
    wire::{
        Capabilities, Embed, Embedded, ExportBatch, ExportReceipt, Fetched, Generate, Generated,
        HttpRequest, HttpResponse, ImageText, Media, Outbound, ReadImage, Receipt, Speak, Speech,
        Transcribe, Transcript, Translate, Translated,
    },
};

/// Methods that a flow's `plugin:` step calls.
pub trait Action: Plugin {
    /// Names them all. Asked once; must not do anything else.
    fn actions(actions: &mut Actions<'_, Self>);
}

/// Where a plugin's actions are named.
pub struct Actions<'m, P>(&'m mut Methods<P>);

impl<P: Plugin> Actions<'_, P> {
    /// Names one: `run` gets what the flow gave, read as `A`, and what it returns goes back to the
    /// flow. Say more about it with what is returned: schemas, so that a misspelt field is found
    /// before anything runs, and how long it may take.
    pub fn add<A, R>(
        &mut self,
        name: &str,
        run: impl Fn(&P, A, &Meta) -> Result<R, Error> + Send + Sync + 'static,
    ) -> &mut MethodSpec
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        self.0.add(&format!("action.{name}"), run)
    }
}

/// One account of one platform.
///
/// `run` and `stop` come on threads of their own, beside everything else, even when the plugin is
/// serial.
pub trait Channel: Plugin {
    /// What the platform can show and take. Called before `run`, and again where the plugin is a
    /// process that was started anew.
    ///
    /// # Errors
    /// When the account cannot work as it is configured: it is not opened, and a reload leaves what
    /// was there before.
    fn open(&self) -> Result<Capabilities, Error>;

    /// Receives until [`stop`](Self::stop). Events go to [`Host::inbox`](crate::Host::inbox), and
    /// the platform is told that one was received only after `accept` returned.
    ///
    /// # Errors
    /// When the connection is lost: it is run again after a pause that grows. The code
    /// `unauthorized` ends that until somebody mends the credential and resumes the account,
    /// `config` until the configuration is mended.
    fn run(&self) -> Result<(), Error>;

    /// Makes `run` return soon. May come before it, and more than once.
    fn stop(&self);

    /// One attempt. `message.uuid` is the idempotency key where the platform knows one. The bytes of
    /// a stored file that a part names are the host's to give: [`Host::media`](crate::Host::media).
    ///
    /// # Errors
    /// The way the attempt ended; [`SendError::Uncertain`] once bytes left that cannot be repeated
    /// safely.
    fn send(&self, message: Outbound, meta: &Meta) -> Result<Receipt, SendError>;

    /// A request of the platform to the account's address. The signature is yours to check.
    ///
    /// # Errors
    /// Answered with the status 500, or 503 when [`Error::retry_after_ms`] is set.
    fn http(&self, _request: HttpRequest, _meta: &Meta) -> Result<HttpResponse, Error> {
        Ok(HttpResponse::status(404))
    }

    /// A medium that a customer sent, by the reference its part came with. Asked for after the
    /// event was accepted, and again later where that may help.
    ///
    /// # Errors
    /// As of a send; [`SendError::Rejected`] where the platform has it no more.
    fn fetch(&self, _media: Media, _meta: &Meta) -> Result<Fetched, SendError> {
        Err(SendError::Rejected {
            code: "media".to_owned(),
            message: "this channel fetches no media".to_owned(),
        })
    }
}

/// Texts as vectors that lie near each other when they mean the same.
pub trait Embedder: Plugin {
    /// One vector for each text, in order, all of one length.
    ///
    /// # Errors
    /// When no vectors can be had.
    fn embed(&self, request: Embed, meta: &Meta) -> Result<Embedded, Error>;
}

/// Texts in another language.
pub trait Translator: Plugin {
    /// One translation for each text, in order.
    ///
    /// # Errors
    /// When there is none.
    fn translate(&self, request: Translate, meta: &Meta) -> Result<Translated, Error>;
}

/// Continues a conversation in words.
pub trait TextGenerator: Plugin {
    /// # Errors
    /// When nothing could be generated.
    fn generate(&self, request: Generate, meta: &Meta) -> Result<Generated, Error>;
}

/// What is on a picture.
pub trait ImageReader: Plugin {
    /// # Errors
    /// When the picture cannot be read.
    fn read_image(&self, request: ReadImage, meta: &Meta) -> Result<ImageText, Error>;
}

/// What was said in a recording.
pub trait SpeechToText: Plugin {
    /// # Errors
    /// When the recording cannot be read.
    fn transcribe(&self, request: Transcribe, meta: &Meta) -> Result<Transcript, Error>;
}

/// A text as a recording.
pub trait TextToSpeech: Plugin {
    /// # Errors
    /// When it cannot be spoken.
    fn speak(&self, request: Speak, meta: &Meta) -> Result<Speech, Error>;
}

/// Takes records of what happened to another system.
pub trait Exporter: Plugin {
    /// The same `batch_id` may come again, and must not be stored twice.
    ///
    /// # Errors
    /// When none of the batch was stored.
    fn export(&self, batch: ExportBatch, meta: &Meta) -> Result<ExportReceipt, Error>;
}

/// How each kind's methods are named. Called by `export_plugin!` with the kinds it is given.
#[doc(hidden)]
pub mod register {
    use serde::Deserialize;

    use super::{
        Action, Actions, Channel, Embedder, Exporter, ImageReader, SpeechToText, TextGenerator,
        TextToSpeech, Translator,
    };
    use crate::{
        Error, Kind,
        methods::Methods,
        wire::{FetchParams, SendParams},
    };

    /// Parameters of methods that have none.
    #[derive(Deserialize)]
    struct None {}

    pub fn action<P: Action>(methods: &mut Methods<P>) {
        methods.kind(Kind::Action);
        P::actions(&mut Actions(methods));
    }

    pub fn channel<P: Channel>(methods: &mut Methods<P>) {
        methods.kind(Kind::Channel);
        methods.add("channel.open", |p: &P, _: None, _| p.open());
        methods.add("channel.run", |p: &P, _: None, _| p.run());
        methods.add("channel.stop", |p: &P, _: None, _| {
            p.stop();
            Ok(())
        });
        methods.add("channel.send", |p: &P, params: SendParams, meta| {
            p.send(params.message, meta).map_err(Error::from)
        });
        methods.add("channel.http", P::http);
        methods.add("channel.fetch", |p: &P, params: FetchParams, meta| {
            p.fetch(params.media, meta).map_err(Error::from)
        });
    }

    pub fn embedder<P: Embedder>(methods: &mut Methods<P>) {
        methods.kind(Kind::Embedder);
        methods.add("embed", P::embed);
    }

    pub fn translator<P: Translator>(methods: &mut Methods<P>) {
        methods.kind(Kind::Translator);
        methods.add("translate", P::translate);
    }

    pub fn text_generator<P: TextGenerator>(methods: &mut Methods<P>) {
        methods.kind(Kind::TextGenerator);
        methods.add("generate", P::generate);
    }

    pub fn image_reader<P: ImageReader>(methods: &mut Methods<P>) {
        methods.kind(Kind::ImageReader);
        methods.add("image.read", P::read_image);
    }

    pub fn speech_to_text<P: SpeechToText>(methods: &mut Methods<P>) {
        methods.kind(Kind::SpeechToText);
        methods.add("stt", P::transcribe);
    }

    pub fn text_to_speech<P: TextToSpeech>(methods: &mut Methods<P>) {
        methods.kind(Kind::TextToSpeech);
        methods.add("tts", P::speak);
    }

    pub fn exporter<P: Exporter>(methods: &mut Methods<P>) {
        methods.kind(Kind::Exporter);
        methods.add("export", P::export);
    }
}
