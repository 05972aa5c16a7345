//! What a message means beside the open question, or with none open: flows and FAQ items, one or
//! two at once.

use tandem_domain::reading::{Candidate, Target};

use super::{
    faq,
    question::{Input, says_more},
    run::Run,
    state::OnEnd,
    thresholds as at,
};
use crate::value::Parsed;

impl Run<'_> {
    /// A flow or FAQ item that the message means. With a question open, it is asked once more
    /// after an answer. Of two wishes in one message, what can be answered at once is; of two
    /// flows the second waits below the first.
    pub fn digress(&mut self, input: &Input<'_>, least: f32, free: bool) -> bool {
        let Some(main) = self.meant(input.reading, least) else {
            return false;
        };
        let also = self.meant_too(input, &main);
        // A wish for a person needs to be surer, and was looked at before.
        if matches!(main.target, Target::Trigger(_)) {
            return also.is_some_and(|also| self.fulfil(input, vec![also]));
        }
        if self.is_running(&main.target) && self.state.is_asking() {
            if free {
                return false;
            }
            self.matched(&main);
            if let Some(also) = also {
                return self.fulfil(input, vec![also]);
            }
            self.note(
                "match",
                "that is what is being done: the question once more",
            );
            self.ask_again();
            return true;
        }
        let before = input.reading.also.as_ref().is_some_and(|wish| wish.before);
        let wishes = match (also, before) {
            (Some(also), true) => vec![also, main],
            (Some(also), false) => vec![main, also],
            (None, _) => vec![main],
        };
        self.fulfil(input, wishes)
    }

    /// The message's second wish, where it asks for something new.
    fn meant_too(&self, input: &Input<'_>, main: &Candidate) -> Option<Candidate> {
        let also = &input.reading.also.as_ref()?.candidate;
        let new = also.target != main.target
            && !matches!(also.target, Target::Trigger(_))
            && self.exists(&also.target)
            && !self.is_running(&also.target);
        (new && also.confidence >= at::START).then(|| also.clone())
    }

    fn is_running(&self, target: &Target) -> bool {
        let Target::Flow(name) = target else {
            return false;
        };
        let mut frames = self.state.frames.iter();
        frames.any(|f| f.flow == *name && f.end == OnEnd::Resume)
    }

    /// Answers what an answer is known for, then starts the flows: the first on top. False where
    /// that was a flow that is gone.
    fn fulfil(&mut self, input: &Input<'_>, wishes: Vec<Candidate>) -> bool {
        let mut flows = Vec::new();
        let mut answered = false;
        for wish in wishes {
            self.matched(&wish);
            match wish.target {
                Target::Flow(name) => flows.push((name, "the customer's words".to_owned())),
                Target::Faq(path) => {
                    let item = faq::node(&self.current, &path).filter(|n| n.answer.is_none());
                    match item.and_then(|n| n.start.clone()) {
                        Some(flow) => flows.push((flow, format!("the FAQ item {path}"))),
                        None => answered |= self.answer_faq(&path, &path),
                    }
                }
                Target::Trigger(_) => {}
            }
        }
        if flows.is_empty() {
            if answered {
                self.ask_again();
            }
            return true;
        }
        let mut started = false;
        for (name, why) in flows.iter().rev() {
            let Some(scope) = self.start_flow(name, why) else {
                continue;
            };
            started = true;
            self.opening = Some(input.words.clone());
            self.fill_choices_from_opening(name, scope);
        }
        started || answered
    }

    /// The question that came along with an answer is answered before the flow goes on.
    pub fn digress_after(&mut self, input: &Input<'_>, parsed: &Parsed) {
        if parsed.exact || !says_more(input.words, &parsed.span) {
            return;
        }
        let Some(candidate) = self.meant(input.reading, at::START) else {
            return;
        };
        if let Target::Faq(path) = &candidate.target
            && faq::node(&self.current, path).is_some_and(|n| n.answer.is_some())
        {
            self.matched(&candidate);
            self.answer_faq(path, path);
        }
    }
}
