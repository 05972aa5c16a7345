//! What a pack teaches understanding: every phrase with what it leads to.

use tandem_domain::reading::{Example, Target, TrainingSet};

use crate::model::{FaqNode, Pack, Phrases};

pub(crate) fn training_set(pack: &Pack) -> TrainingSet {
    let mut examples = Vec::new();
    for flow in pack.flows.values() {
        if !flow.callable_only {
            add(
                &mut examples,
                &Target::Flow(flow.name.clone()),
                &flow.start_when.phrases,
            );
        }
    }
    faqs(&mut examples, &pack.faqs);
    for (place, trigger) in pack.triggers.iter().enumerate() {
        add(&mut examples, &Target::Trigger(place), &trigger.phrases);
    }
    let out_of_scope = pack.out_of_scope.0.values().flatten();
    TrainingSet {
        locales: pack.locales.clone(),
        examples,
        out_of_scope: out_of_scope.map(|(text, _)| text.clone()).collect(),
        articles: pack.articles.clone(),
    }
}

fn faqs(examples: &mut Vec<Example>, node: &FaqNode) {
    add(examples, &Target::Faq(node.path.clone()), &node.phrases);
    for item in &node.items {
        faqs(examples, item);
    }
}

fn add(examples: &mut Vec<Example>, target: &Target, phrases: &Phrases) {
    for (locale, list) in &phrases.0 {
        for (text, _) in list {
            examples.push(Example {
                target: target.clone(),
                locale: locale.clone(),
                text: text.clone(),
            });
        }
    }
}
