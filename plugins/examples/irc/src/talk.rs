//! Who speaks to us, and who they are.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use tandem_plugin_sdk::wire::{ConversationKind, NativeConversation};

use crate::line::{Line, Mapping, clean, is_channel};

/// People remembered at once, before those who were quiet longest are forgotten.
const PEOPLE: usize = 10_000;

/// What is known of the people on a network.
#[derive(Debug)]
pub struct Talk {
    pub mapping: Mapping,
    follow: Duration,
    /// By channel and nick: until when they need not name us.
    following: HashMap<(String, String), Instant>,
    /// By nick: who had it when last heard.
    seen: HashMap<String, (String, Instant)>,
}

/// Words meant for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub conversation: NativeConversation,
    /// Who it is: the account where the network tells it, else user and host.
    pub identity: String,
    pub nick: String,
    pub text: String,
    pub mentions_us: bool,
}

impl Talk {
    #[must_use]
    pub fn new(follow: Duration) -> Self {
        Self {
            mapping: Mapping::default(),
            follow,
            following: HashMap::new(),
            seen: HashMap::new(),
        }
    }

    /// What of a `PRIVMSG` is meant for us.
    pub fn hear(&mut self, line: &Line, us: &str, now: Instant) -> Option<Heard> {
        let (target, text) = (line.param(0), line.param(1));
        // Requests between programs, and our own words coming back.
        let nick = self.mapping.fold(&line.source.nick);
        if text.starts_with('\u{1}') || nick.is_empty() || nick == self.mapping.fold(us) {
            return None;
        }
        let identity = match line.tag("account") {
            Some(account) => format!("account {account}"),
            None => format!("{}@{}", line.source.user, line.source.host),
        };
        let text = clean(text);
        let text = text.trim();
        self.forget(now);
        let (conversation, text, mentions_us) = if is_channel(target) {
            let place = (self.mapping.fold(target), nick.clone());
            let follows = self.following.get(&place).is_some_and(|until| *until > now);
            let named = named(text, us);
            let (text, mentions) = match named {
                Named::First(rest) if !rest.is_empty() => (rest, true),
                Named::First(_) | Named::Inside => (text, true),
                Named::Other => return None,
                Named::Nobody if follows => (text, false),
                Named::Nobody => return None,
            };
            self.following.insert(place.clone(), now + self.follow);
            let conversation = NativeConversation {
                kind: ConversationKind::Thread,
                id: place.0,
                thread: Some(format!("{nick} {identity}")),
            };
            (conversation, text, mentions)
        } else {
            let conversation = NativeConversation {
                kind: ConversationKind::Dm,
                id: nick.clone(),
                thread: Some(identity.clone()),
            };
            (conversation, text, false)
        };
        if text.is_empty() {
            return None;
        }
        self.seen.insert(nick, (identity.clone(), now));
        Some(Heard {
            conversation,
            identity,
            nick: line.source.nick.clone(),
            text: text.to_owned(),
            mentions_us,
        })
    }

    /// We wrote to somebody in a channel: they need not name us in their answer.
    pub fn answered(&mut self, conversation: &NativeConversation, now: Instant) {
        if let (true, Some(nick)) = (is_channel(&conversation.id), nick_of(conversation)) {
            let place = (conversation.id.clone(), nick.to_owned());
            self.following.insert(place, now + self.follow);
        }
    }

    /// Whether the nick of a conversation is another person's by now.
    #[must_use]
    pub fn taken_by_another(&self, conversation: &NativeConversation) -> bool {
        let (Some(nick), Some(thread)) = (nick_of(conversation), &conversation.thread) else {
            return false;
        };
        let identity = match is_channel(&conversation.id) {
            true => thread.split_once(' ').map_or("", |(_, identity)| identity),
            false => thread,
        };
        let seen = self.seen.get(nick);
        seen.is_some_and(|(known, _)| known != identity)
    }

    /// They left or took another nick: whoever comes under this one is looked at anew.
    pub fn left(&mut self, nick: &str) {
        let nick = self.mapping.fold(nick);
        self.following.retain(|(_, known), _| *known != nick);
    }

    fn forget(&mut self, now: Instant) {
        if self.following.len() >= PEOPLE {
            self.following.retain(|_, until| *until > now);
        }
        if self.following.len() >= PEOPLE {
            self.following.clear();
        }
        if self.seen.len() >= PEOPLE {
            let day = Duration::from_secs(24 * 3600);
            self.seen.retain(|_, (_, at)| now.duration_since(*at) < day);
        }
        if self.seen.len() >= PEOPLE {
            self.seen.clear();
        }
    }
}

/// The nick a conversation is with, folded.
#[must_use]
pub fn nick_of(conversation: &NativeConversation) -> Option<&str> {
    match is_channel(&conversation.id) {
        true => conversation.thread.as_deref()?.split(' ').next(),
        false => Some(&conversation.id),
    }
}

enum Named<'t> {
    /// `bot: hello`, with what is said.
    First(&'t str),
    Inside,
    /// `ann: hello`.
    Other,
    Nobody,
}

fn named<'t>(text: &'t str, us: &str) -> Named<'t> {
    let is_us = |word: &str| {
        word.trim_start_matches('@')
            .trim_end_matches([':', ',', '!', '?', '.'])
            .eq_ignore_ascii_case(us)
    };
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    if is_us(first) {
        return Named::First(rest.trim());
    }
    // Chinese writes no space behind the comma, and its own comma and colon.
    let head = text.trim_start_matches('@');
    if let (Some(start), Some(behind)) = (head.get(..us.len()), head.get(us.len()..))
        && start.eq_ignore_ascii_case(us)
        && let Some(rest) = behind.strip_prefix([':', ',', '：', '，', '、'])
    {
        return Named::First(rest.trim());
    }
    let word = |word: &str| {
        word.trim_matches(|c: char| c.is_ascii_punctuation() && !"[]\\`_^{}|-".contains(c))
            .eq_ignore_ascii_case(us)
    };
    if text
        .split(|c: char| c.is_whitespace() || "，。：；！？、".contains(c))
        .any(word)
    {
        return Named::Inside;
    }
    let to_another = first.strip_suffix([':', ',']).is_some_and(|word| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "[]\\`_^{}|-".contains(c))
            && !rest.is_empty()
    });
    if to_another {
        Named::Other
    } else {
        Named::Nobody
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk() -> Talk {
        Talk::new(Duration::from_secs(300))
    }

    fn hear(talk: &mut Talk, raw: &str, now: Instant) -> Option<Heard> {
        talk.hear(&Line::parse(raw.as_bytes()).unwrap(), "Bot", now)
    }

    #[test]
    fn a_private_message_is_a_conversation_with_that_person() {
        let (mut talk, now) = (talk(), Instant::now());
        let heard = hear(&mut talk, ":Ann!a@h PRIVMSG bot :\u{2}hi\u{2} there", now).unwrap();
        assert_eq!(heard.conversation.kind, ConversationKind::Dm);
        assert_eq!(heard.conversation.id, "ann");
        assert_eq!(heard.conversation.thread.as_deref(), Some("a@h"));
        assert_eq!(
            (heard.nick.as_str(), heard.text.as_str()),
            ("Ann", "hi there")
        );
        assert!(!talk.taken_by_another(&heard.conversation));
        let other = hear(&mut talk, ":ann!b@other PRIVMSG bot :hello", now).unwrap();
        assert_ne!(
            other.conversation, heard.conversation,
            "another person, another conversation"
        );
        assert!(talk.taken_by_another(&heard.conversation));
        let known = hear(&mut talk, "@account=ann :ann!c@d PRIVMSG bot :hello", now).unwrap();
        assert_eq!(known.identity, "account ann");
    }

    #[test]
    fn in_a_channel_we_are_named_once_and_then_followed_for_a_while() {
        let (mut talk, now) = (talk(), Instant::now());
        assert_eq!(
            hear(&mut talk, ":ann!a@h PRIVMSG #Shop :hello all", now),
            None
        );
        for named in [
            "bot: where is it",
            "@Bot where is it",
            "bot，where is it",
            "BOT where is it",
        ] {
            let heard = hear(&mut talk, &format!(":ann!a@h PRIVMSG #Shop :{named}"), now).unwrap();
            assert_eq!(heard.text, "where is it", "{named}");
            assert!(heard.mentions_us);
            assert_eq!(heard.conversation.id, "#shop");
            assert_eq!(nick_of(&heard.conversation), Some("ann"));
        }
        let heard = hear(&mut talk, ":ann!a@h PRIVMSG #shop :2", now).unwrap();
        assert_eq!((heard.text.as_str(), heard.mentions_us), ("2", false));
        assert_eq!(
            hear(&mut talk, ":ann!a@h PRIVMSG #shop :bo: and you?", now),
            None
        );
        assert_eq!(
            hear(&mut talk, ":bo!b@h PRIVMSG #shop :2", now),
            None,
            "nobody asked bo"
        );
        let late = now + Duration::from_secs(400);
        assert_eq!(hear(&mut talk, ":ann!a@h PRIVMSG #shop :2", late), None);
        let inside = hear(
            &mut talk,
            ":ann!a@h PRIVMSG #shop :ask the bot, please",
            late,
        )
        .unwrap();
        assert_eq!(inside.text, "ask the bot, please");
        assert_eq!(
            hear(&mut talk, ":bo!a@h PRIVMSG #shop :a bottle", late),
            None
        );
        talk.left("Ann");
        assert_eq!(hear(&mut talk, ":ann!a@h PRIVMSG #shop :2", late), None);
        talk.answered(&heard.conversation, late);
        assert!(hear(&mut talk, ":ann!a@h PRIVMSG #shop :2", late).is_some());
    }

    #[test]
    fn programs_and_our_own_words_are_not_heard() {
        let (mut talk, now) = (talk(), Instant::now());
        for raw in [
            ":ann!a@h PRIVMSG bot :\u{1}VERSION\u{1}",
            ":ann!a@h PRIVMSG bot :\u{1}ACTION waves\u{1}",
            ":BOT!a@h PRIVMSG bot :hello",
            ":ann!a@h PRIVMSG bot :\u{3}4",
            "PRIVMSG bot :hello",
        ] {
            assert_eq!(hear(&mut talk, raw, now), None, "{raw:?}");
        }
    }
}
