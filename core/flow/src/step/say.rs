//! Messages: the variation that holds, its words in the customer's language, its buttons.

use tandem_domain::{
    Map, Value,
    message::{Card, Choice, Content, Media, MediaKind, Part},
};

use super::{Effect, SaySource, run::Run, scope::Place, state::Press};
use crate::{
    model::{Button, ButtonAction, Message, Response, Say},
    template::Template,
};

/// A message on its way.
#[derive(Default)]
pub(super) struct Draft {
    /// The response it came from.
    pub says: Option<String>,
    pub parts: Vec<Part>,
    pub buttons: Vec<(String, Press)>,
    /// Cards and the buttons on each, by part.
    cards: Vec<(usize, Vec<(String, Press)>)>,
}

impl Draft {
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            parts: vec![Part::text(text)],
            ..Self::default()
        }
    }

    pub fn plain(&self) -> String {
        tandem_domain::message::text_of(&self.parts)
    }

    fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.buttons.is_empty()
    }
}

/// Where a message goes and what it stands for.
#[derive(Default)]
pub(super) struct Sending {
    pub source: SaySource,
    pub via: Option<String>,
    pub to: Option<String>,
}

impl Run<'_> {
    /// The words of a `say`, `ask` or `confirm`; none where no variation's condition holds.
    pub fn compose(&mut self, place: &Place, say: &Say) -> Option<Draft> {
        let (pack, current) = (place.pack.clone(), self.current.clone());
        let (name, response): (Option<&str>, &Response) = match say {
            Say::Inline(response) => (None, response),
            Say::Response(name) => {
                let found = pack
                    .responses
                    .get(name)
                    .or_else(|| current.responses.get(name));
                let Some(response) = found else {
                    self.line("say", &format!("there is no response `{name}`"), place);
                    return None;
                };
                (Some(name.as_str()), response)
            }
        };
        for variation in &response.variations {
            let holds = match &variation.cond {
                Some(cond) => self.test(place, cond),
                None => true,
            };
            if holds {
                let mut draft = self.fill(place, &variation.message);
                draft.says = name.map(str::to_owned);
                return Some(draft);
            }
        }
        self.line("say", "no variation's `if` holds: nothing is said", place);
        None
    }

    fn fill(&mut self, place: &Place, message: &Message) -> Draft {
        let mut draft = Draft::default();
        if let Some(text) = &message.text {
            let text = self.text(place, text);
            if !text.trim().is_empty() {
                draft.parts.push(Part::text(text));
            }
        }
        for (media, image) in message
            .image
            .iter()
            .map(|m| (m, true))
            .chain(message.file.iter().map(|m| (m, false)))
        {
            if let Some(part) = self.media(place, media, image) {
                draft.parts.push(part);
            }
        }
        for card in &message.cards {
            let title = self.text(place, &card.title);
            let text = card.text.as_ref().map(|t| self.text(place, t));
            let image = card
                .image
                .as_ref()
                .map(|t| self.render(place, t))
                .filter(|u| is_web(u));
            let url = card
                .url
                .as_ref()
                .map(|t| self.render(place, t))
                .filter(|u| is_web(u));
            let buttons = self.buttons_of(place, &card.buttons);
            draft.cards.push((draft.parts.len(), buttons));
            draft.parts.push(Part::Card(Card {
                title,
                text,
                image,
                url,
                choices: Vec::new(),
            }));
        }
        draft.buttons = self.buttons_of(place, &message.buttons);
        draft
    }

    fn media(&mut self, place: &Place, media: &crate::model::Media, image: bool) -> Option<Part> {
        let url = self.render(place, &media.url);
        if !is_web(&url) && !url.starts_with("file:") {
            self.line(
                "say",
                "a medium without an https address is left out",
                place,
            );
            return None;
        }
        let name = media.name.as_ref().map(|t| self.text(place, t));
        let alt = media.alt.as_ref().map(|t| self.text(place, t));
        let mime = mime_of(&url, image);
        Some(Part::Media(Media {
            media: if image {
                MediaKind::Image
            } else {
                MediaKind::of_mime(mime)
            },
            reference: url,
            mime: mime.to_owned(),
            name,
            size: None,
            alt,
        }))
    }

    fn buttons_of(&mut self, place: &Place, buttons: &[Button]) -> Vec<(String, Press)> {
        let mut out = Vec::new();
        for button in buttons {
            let label = self.text(place, &button.label);
            if label.trim().is_empty() {
                continue;
            }
            let act = match &button.action {
                ButtonAction::Value(value) => Press::Value {
                    value: self.render(place, value),
                },
                ButtonAction::Start(flow) => {
                    if self.opens_nothing(flow) {
                        continue;
                    }
                    Press::Start { flow: flow.clone() }
                }
                ButtonAction::Goto(label) => Press::Goto {
                    label: label.clone(),
                },
                ButtonAction::Url(url) => {
                    let url = self.web_address(place, url);
                    if url.is_empty() {
                        continue;
                    }
                    Press::Link { url }
                }
            };
            out.push((label, act));
        }
        out
    }

    /// A link whose address turned out empty or is none of the web's is left out: a press on it
    /// would lead nowhere, or somewhere dangerous.
    fn web_address(&mut self, place: &Place, url: &Template) -> String {
        let url = self.render(place, url);
        let url = url.trim();
        if is_web(url) || url.starts_with("tel:") || url.starts_with("mailto:") {
            return url.to_owned();
        }
        self.line("say", "a button without a web address is left out", place);
        String::new()
    }

    /// The menu of questions in a pack that has none.
    fn opens_nothing(&self, flow: &str) -> bool {
        flow == super::faq::MENU_FLOW && self.current.faqs.items.is_empty()
    }

    /// Says it, giving its buttons tokens. The buttons' tokens, in order.
    pub fn send(&mut self, place: &Place, draft: Draft, sending: Sending) -> Vec<String> {
        if draft.is_empty() {
            return Vec::new();
        }
        let Draft {
            says,
            mut parts,
            buttons,
            cards,
        } = draft;
        let mut tokens = Vec::new();
        for (at, card_buttons) in cards {
            let choices = self.choices(place, &card_buttons, &mut tokens);
            if let Some(Part::Card(card)) = parts.get_mut(at) {
                card.choices = choices;
            }
        }
        let choices = self.choices(place, &buttons, &mut tokens);
        if !tokens.is_empty() && sending.via.is_none() {
            self.remember_shown(&tokens);
        }
        let source = SaySource {
            says: says.or(sending.source.says),
            ..sending.source
        };
        let what = [
            source.says.as_ref().map(|s| format!("says {s}")),
            source.asks.as_ref().map(|s| format!("asks {s}")),
            source.confirms.as_ref().map(|s| format!("confirms {s}")),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ");
        self.line("say", &what, place);
        self.effects.push(Effect::Say {
            content: Content {
                parts,
                choices,
                quote: None,
            },
            source,
            via: sending.via,
            to: sending.to,
        });
        tokens
    }

    fn choices(
        &mut self,
        place: &Place,
        buttons: &[(String, Press)],
        tokens: &mut Vec<String>,
    ) -> Vec<Choice> {
        buttons
            .iter()
            .map(|(label, act)| {
                let token = self.token(place, label, act);
                let url = match act {
                    Press::Link { url } => Some(url.clone()),
                    _ => None,
                };
                let value = if url.is_some() {
                    String::new()
                } else {
                    token.clone()
                };
                tokens.push(token);
                Choice {
                    label: label.clone(),
                    value,
                    url,
                }
            })
            .collect()
    }

    /// A built-in response of the shipped patterns, overridable by the pack. `it` is what its text
    /// may name. False where it is missing or silent.
    pub fn builtin(&mut self, name: &str, it: Map) -> bool {
        let place = match self.top_place() {
            Some(place) => Place {
                pack: self.current.clone(),
                ..place
            },
            None => self.outside(),
        };
        let place = place.with_it(Value::Object(it));
        let Some(draft) = self.compose(&place, &Say::Response(name.to_owned())) else {
            return false;
        };
        let said = !draft.is_empty();
        let source = SaySource {
            step: place.step.clone(),
            ..SaySource::default()
        };
        self.send(
            &place,
            draft,
            Sending {
                source,
                ..Sending::default()
            },
        );
        said
    }

    /// The words of a built-in response, for labels.
    pub fn builtin_text(&mut self, name: &str, it: Map, fallback: &str) -> String {
        let place = self.outside().with_it(Value::Object(it));
        match self.compose(&place, &Say::Response(name.to_owned())) {
            Some(draft) => draft.plain(),
            None => fallback.to_owned(),
        }
    }
}

fn is_web(url: &str) -> bool {
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    lower.starts_with("https://") || lower.starts_with("http://")
}

fn mime_of(url: &str, image: bool) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    match path
        .rsplit('.')
        .next()
        .unwrap_or("")
        .to_ascii_lowercase()
        .as_str()
    {
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        "mp4" => "video/mp4",
        "mp3" => "audio/mpeg",
        "jpg" | "jpeg" => "image/jpeg",
        _ if image => "image/jpeg",
        _ => "application/octet-stream",
    }
}
