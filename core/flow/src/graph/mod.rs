//! Drawings of a pack: Mermaid for documents, SVG for everything else.
//!
//! One flow is drawn step by step, branches beside the step they hang under. A whole pack is drawn
//! flow by flow, with what starts, calls and follows what.

mod mermaid;
mod svg;

use tandem_domain::Locale;

use crate::model::{
    ButtonAction, FaqNode, Flow, LocalText, Message, Pack, Say, Step, StepKind, StepRef,
};

/// The flow to draw is not in the pack.
#[derive(Debug, thiserror::Error)]
#[error("the pack has no flow `{0}`")]
pub struct NoSuchFlow(pub String);

/// As a Mermaid flowchart.
///
/// # Errors
/// When `flow` names none of the pack's.
pub fn mermaid(pack: &Pack, flow: Option<&str>, locale: &Locale) -> Result<String, NoSuchFlow> {
    Ok(mermaid::write(&drawing(pack, flow, locale)?))
}

/// As a self-contained SVG that follows the reader's light or dark theme.
///
/// # Errors
/// When `flow` names none of the pack's.
pub fn svg(pack: &Pack, flow: Option<&str>, locale: &Locale) -> Result<String, NoSuchFlow> {
    Ok(svg::write(&drawing(pack, flow, locale)?))
}

/// Boxes and arrows, before any notation.
pub(crate) struct Drawing {
    pub title: String,
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

pub(crate) struct Node {
    pub kind: Shape,
    /// The kind of step, or nothing.
    pub head: String,
    pub text: String,
    /// Place in the layout: columns and rows count from 0.
    pub column: usize,
    pub row: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Start,
    Say,
    Ask,
    Decide,
    Call,
    Person,
    End,
    Plain,
}

pub(crate) struct Edge {
    pub from: usize,
    pub to: usize,
    pub label: String,
    /// Against the order of reading, or out of the ordinary.
    pub dashed: bool,
}

fn drawing(pack: &Pack, flow: Option<&str>, locale: &Locale) -> Result<Drawing, NoSuchFlow> {
    match flow {
        None => Ok(overview(pack, locale)),
        Some(name) => pack
            .flows
            .get(name)
            .map(|flow| Steps::draw(pack, flow, locale))
            .ok_or_else(|| NoSuchFlow(name.to_owned())),
    }
}

fn words(pack: &Pack, text: &LocalText, locale: &Locale) -> String {
    text.get(locale, pack.default_locale())
        .map(|t| t.source.to_string())
        .unwrap_or_default()
}

fn message_words(pack: &Pack, message: &Message, locale: &Locale) -> String {
    message
        .text
        .as_ref()
        .map(|text| words(pack, text, locale))
        .unwrap_or_default()
}

fn say_words(pack: &Pack, say: &Say, locale: &Locale) -> String {
    let response = match say {
        Say::Response(name) => pack.responses.get(name),
        Say::Inline(response) => Some(&**response),
    };
    response
        .and_then(|r| r.variations.last())
        .map(|v| message_words(pack, &v.message, locale))
        .unwrap_or_default()
}

/// Flows that a response's buttons start.
fn buttons_of<'a>(pack: &'a Pack, say: &'a Say) -> Vec<&'a str> {
    let response = match say {
        Say::Response(name) => pack.responses.get(name),
        Say::Inline(response) => Some(&**response),
    };
    let mut started = Vec::new();
    for variation in response.iter().flat_map(|r| &r.variations) {
        for button in &variation.message.buttons {
            if let ButtonAction::Start(flow) = &button.action {
                started.push(flow.as_str());
            }
        }
    }
    started
}

/// Every flow of the pack's own, in columns by how far it is from the customer.
fn overview(pack: &Pack, locale: &Locale) -> Drawing {
    let mut nodes = vec![Node {
        kind: Shape::Start,
        head: String::new(),
        text: pack.name.clone(),
        column: 0,
        row: 0,
    }];
    let mut edges = Vec::new();
    let flows: Vec<&Flow> = pack.flows.values().filter(|f| !f.pattern).collect();
    let mut rows = [0usize; 3];
    let mut place = |column: usize| {
        rows[column] += 1;
        (column, rows[column] - 1)
    };
    place(0);
    let mut of_flow = std::collections::HashMap::new();
    for flow in &flows {
        let (column, row) = place(if flow.callable_only { 2 } else { 1 });
        let title = flow.title.as_ref().map(|t| words(pack, t, locale));
        of_flow.insert(flow.name.as_str(), nodes.len());
        if !flow.callable_only {
            edges.push(Edge {
                from: 0,
                to: nodes.len(),
                label: String::new(),
                dashed: false,
            });
        }
        nodes.push(Node {
            kind: if flow.callable_only {
                Shape::Plain
            } else {
                Shape::Say
            },
            head: flow.name.clone(),
            text: title.unwrap_or_default(),
            column,
            row,
        });
    }
    for flow in &flows {
        let from = of_flow[flow.name.as_str()];
        let mut seen = std::collections::BTreeSet::new();
        for step in flow.blocks.iter().flat_map(|b| &b.steps) {
            let mut arrow = |to: &str, label: &str, dashed: bool| {
                if let Some(to) = of_flow.get(to)
                    && seen.insert((*to, label.to_owned()))
                {
                    edges.push(Edge {
                        from,
                        to: *to,
                        label: label.to_owned(),
                        dashed,
                    });
                }
            };
            match &step.kind {
                StepKind::Call { flow, .. } => arrow(flow, "call", false),
                StepKind::Link { flow, .. } => arrow(flow, "link", false),
                StepKind::Say(say) => {
                    for started in buttons_of(pack, &say.say) {
                        arrow(started, "button", true);
                    }
                }
                _ => {}
            }
        }
    }
    let (column, row) = place(0);
    let faq = nodes.len();
    nodes.push(Node {
        kind: Shape::Decide,
        head: "faqs".into(),
        text: count_faqs(&pack.faqs).to_string(),
        column,
        row,
    });
    let mut seen = std::collections::BTreeSet::new();
    faq_starts(&pack.faqs, &mut |flow| {
        if let Some(to) = of_flow.get(flow)
            && seen.insert(*to)
        {
            edges.push(Edge {
                from: faq,
                to: *to,
                label: "start".into(),
                dashed: true,
            });
        }
    });
    Drawing {
        title: pack.name.clone(),
        nodes,
        edges,
    }
}

fn count_faqs(node: &FaqNode) -> usize {
    node.items.iter().map(|item| 1 + count_faqs(item)).sum()
}

fn faq_starts<'a>(node: &'a FaqNode, tell: &mut impl FnMut(&'a str)) {
    if let Some(flow) = &node.start {
        tell(flow);
    }
    for item in &node.items {
        faq_starts(item, tell);
    }
}

/// One flow, step by step.
struct Steps<'a> {
    pack: &'a Pack,
    flow: &'a Flow,
    locale: &'a Locale,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    /// Node of each step, by block and index.
    of_step: std::collections::BTreeMap<StepRef, usize>,
    end: Option<usize>,
    rows: usize,
}

impl<'a> Steps<'a> {
    fn draw(pack: &'a Pack, flow: &'a Flow, locale: &'a Locale) -> Drawing {
        let title = flow
            .title
            .as_ref()
            .map_or_else(|| flow.name.clone(), |t| words(pack, t, locale));
        let mut steps = Self {
            pack,
            flow,
            locale,
            nodes: Vec::new(),
            edges: Vec::new(),
            of_step: std::collections::BTreeMap::new(),
            end: None,
            rows: 0,
        };
        steps.node(Shape::Start, "", &title, 0);
        steps.place(0, 0);
        steps.end = Some(steps.node(Shape::End, "", "■", 0));
        steps.connect();
        Drawing {
            title: flow.name.clone(),
            nodes: steps.nodes,
            edges: steps.edges,
        }
    }

    fn node(&mut self, kind: Shape, head: &str, text: &str, column: usize) -> usize {
        self.nodes.push(Node {
            kind,
            head: head.to_owned(),
            text: text.to_owned(),
            column,
            row: self.rows,
        });
        self.rows += 1;
        self.nodes.len() - 1
    }

    /// Gives every step of a block its place: one below the other, what hangs under a step one
    /// column to the right.
    fn place(&mut self, block: u32, column: usize) {
        let flow = self.flow;
        let Some(steps) = flow.blocks.get(block as usize) else {
            return;
        };
        for (index, step) in steps.steps.iter().enumerate() {
            let at = StepRef {
                block,
                index: u32::try_from(index).unwrap_or(u32::MAX),
            };
            let (kind, text) = self.describe(step);
            let head = match &step.id {
                Some(id) => format!("{} · {id}", step.kind.key()),
                None => step.kind.key().to_owned(),
            };
            let node = self.node(kind, &head, &text, column);
            self.of_step.insert(at, node);
            for child in children(flow, at) {
                self.place(child, column + 1);
            }
        }
    }

    fn connect(&mut self) {
        let flow = self.flow;
        let end = self.end.unwrap_or(0);
        let first = self.entry(0).unwrap_or(end);
        self.arrow(0, first, "", false);
        let places: Vec<(StepRef, usize)> = self.of_step.iter().map(|(at, n)| (*at, *n)).collect();
        for (at, node) in places {
            let Some(step) = flow.step(at) else { continue };
            for child in children(flow, at) {
                let label = flow.blocks[child as usize].label.clone();
                if let Some(to) = self.entry(child) {
                    self.arrow(node, to, &label, false);
                }
            }
            match &step.kind {
                StepKind::Goto {
                    label,
                    target,
                    otherwise,
                    ..
                } => {
                    if let Some(to) = self.of_step.get(target).copied() {
                        self.arrow(node, to, &format!("→ {label}"), true);
                    }
                    if otherwise.is_none() {
                        continue;
                    }
                }
                // Their shape says that nothing follows; arrows to the end would cross everything.
                StepKind::End { .. } | StepKind::Link { .. } => continue,
                _ => {}
            }
            let next = self.after(at).unwrap_or(end);
            let label = if matches!(
                step.kind,
                StepKind::If {
                    otherwise: None,
                    ..
                }
            ) {
                "else"
            } else {
                ""
            };
            self.arrow(node, next, label, next <= node);
        }
    }

    fn entry(&self, block: u32) -> Option<usize> {
        self.of_step.get(&StepRef { block, index: 0 }).copied()
    }

    /// Where control goes behind a step: the next one, or what follows the step it hangs under.
    fn after(&self, at: StepRef) -> Option<usize> {
        let mut at = at;
        // Blocks nest less deeply than there are blocks.
        for _ in 0..=self.flow.blocks.len() {
            let next = StepRef {
                index: at.index + 1,
                ..at
            };
            if let Some(node) = self.of_step.get(&next) {
                return Some(*node);
            }
            let block = self.flow.blocks.get(at.block as usize)?;
            let parent = block.parent?;
            if block.then == crate::model::AfterBlock::Parent {
                return self.of_step.get(&parent).copied();
            }
            at = parent;
        }
        None
    }

    fn arrow(&mut self, from: usize, to: usize, label: &str, dashed: bool) {
        self.edges.push(Edge {
            from,
            to,
            label: label.to_owned(),
            dashed,
        });
    }

    fn describe(&self, step: &Step) -> (Shape, String) {
        let say = |s: &Say| say_words(self.pack, s, self.locale);
        match &step.kind {
            StepKind::Say(s) => (Shape::Say, say(&s.say)),
            StepKind::Collect(c) => (
                Shape::Ask,
                format!(
                    "{} — {}",
                    c.slot,
                    c.ask.as_ref().map(say).unwrap_or_default()
                ),
            ),
            StepKind::Form(form) => (
                Shape::Ask,
                form.fields
                    .iter()
                    .map(|f| f.collect.slot.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
            StepKind::Menu(menu) => (
                Shape::Ask,
                menu.options
                    .iter()
                    .map(|o| words(self.pack, &o.label, self.locale))
                    .collect::<Vec<_>>()
                    .join(" / "),
            ),
            StepKind::Faq { path } => (Shape::Ask, path.clone()),
            StepKind::If { cond, .. } => (Shape::Decide, cond.source.to_string()),
            StepKind::Switch { on, .. } => (Shape::Decide, on.source.to_string()),
            StepKind::Set { values } => (
                Shape::Plain,
                values
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
            StepKind::Goto { label, .. } => (Shape::Plain, label.clone()),
            StepKind::Call { flow, .. } | StepKind::Link { flow, .. } => {
                (Shape::Call, flow.clone())
            }
            StepKind::Http(h) => (Shape::Call, format!("{}.{}", h.connection, h.operation)),
            StepKind::Lua(l) => (
                Shape::Call,
                format!("{}.{}", l.function.module, l.function.name),
            ),
            StepKind::Plugin(p) => (Shape::Call, format!("{}.{}", p.plugin, p.method)),
            StepKind::Answer(_) => (Shape::Say, String::new()),
            StepKind::Handoff(h) => (Shape::Person, h.skill.clone()),
            StepKind::Ticket(t) => (Shape::Person, words(self.pack, &t.title, self.locale)),
            StepKind::Wait { event, .. } => (Shape::Plain, event.clone().unwrap_or_default()),
            StepKind::Remind(r) => (Shape::Say, say(&r.say)),
            StepKind::Tag { words } => (Shape::Plain, words.join(", ")),
            StepKind::End { outcome } => (Shape::End, outcome.clone()),
        }
    }
}

/// The blocks that hang under a step.
fn children(flow: &Flow, at: StepRef) -> Vec<u32> {
    flow.blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| block.parent == Some(at))
        .filter_map(|(id, _)| u32::try_from(id).ok())
        .collect()
}
