//! Expressions and texts: minijinja's syntax and machine, closed where the language says more.
//!
//! A source is parsed once, when the pack is loaded. From its tree come what `check` needs
//! ([`Analysis`]) and a rewritten source that goes to minijinja: comparisons, `+`, `*`, `~` and
//! `**` become calls of our own, so that
//!
//! * an ordering comparison with an empty value is false (and noted, see [`Scope::notes`]), a
//!   missing field counts as none everywhere, and text is never smaller than a number;
//! * nothing grows without bound: text and lists made by an expression are capped.
//!
//! Loops are bounded by fuel, output by [`OUTPUT_MAX`]; macros, includes, imports and blocks are
//! refused. Values are inserted as plain text: never escaped, never rendered again.

mod analysis;
mod dates;
mod filters;
mod quick;
mod rewrite;
mod value;
mod words;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap, fmt, io, sync::Arc};

use minijinja::{Environment, UndefinedBehavior, machinery, syntax::SyntaxConfig};
use tandem_domain::{Locale, Map, Timestamp, Value};

use crate::model::Span;
pub use analysis::{Analysis, Comparison, NameUse, PathUse, Shape};
pub use dates::{Moment, parse_moment};
pub use filters::{FILTERS, FUNCTIONS, TESTS};

/// Longest text a template gives, in bytes.
pub const OUTPUT_MAX: usize = 64 << 10;
/// Instructions one evaluation may take.
const FUEL: u64 = 50_000;
/// Tokens of one source, and of one `{{ }}` or `{% %}` in it: minijinja's compiler recurses over
/// chains of operators, so they must not be arbitrarily long.
const TOKENS_MAX: usize = 2_000;
const TOKENS_PER_TAG: usize = 300;

/// A compiled expression of the pack it was loaded with.
#[derive(Clone)]
pub struct Expr {
    id: u32,
    pub source: Arc<str>,
    /// Where the source begins.
    pub span: Span,
}

/// A compiled text of the pack it was loaded with.
#[derive(Clone)]
pub struct Template {
    id: u32,
    pub source: Arc<str>,
    pub span: Span,
    /// What it says, when it has nothing to fill in.
    pub literal: Option<Arc<str>>,
    /// One single `{{ }}` and nothing else: [`Templates::value`] keeps its type.
    pub single: bool,
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expr({})", self.source)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.source)
    }
}

impl Default for Template {
    /// The empty text.
    fn default() -> Self {
        let source: Arc<str> = Arc::from("");
        Self {
            id: u32::MAX,
            literal: Some(source.clone()),
            source,
            span: Span::default(),
            single: false,
        }
    }
}

/// Where an expression's names come from. Asked only for the names it uses.
pub trait Lookup {
    /// The variable's value; none and JSON `null` both count as empty.
    fn get(&self, name: &str) -> Option<Cow<'_, Value>>;
    /// What a choice's value is called, for `slot | label`.
    fn label(&self, slot: &str, value: &Value) -> Option<String> {
        let _ = (slot, value);
        None
    }
}

impl Lookup for Map {
    fn get(&self, name: &str) -> Option<Cow<'_, Value>> {
        serde_json::Map::get(self, name).map(Cow::Borrowed)
    }
}

impl Lookup for BTreeMap<String, Value> {
    fn get(&self, name: &str) -> Option<Cow<'_, Value>> {
        BTreeMap::get(self, name).map(Cow::Borrowed)
    }
}

/// What an evaluation sees. Cheap to make: nothing is converted before an expression names it.
/// `now` and `locale` come from here where the lookup has no value of that name.
pub struct Scope<'a> {
    pub vars: &'a dyn Lookup,
    pub now: Timestamp,
    pub zone: &'a jiff::tz::TimeZone,
    pub locale: &'a Locale,
    notes: RefCell<Vec<String>>,
}

impl<'a> Scope<'a> {
    #[must_use]
    pub fn new(
        vars: &'a dyn Lookup,
        now: Timestamp,
        zone: &'a jiff::tz::TimeZone,
        locale: &'a Locale,
    ) -> Self {
        Self {
            vars,
            now,
            zone,
            locale,
            notes: RefCell::default(),
        }
    }

    /// Takes what evaluations so far had to say for the trace: comparisons with an empty value, or
    /// between text and number, as `qty <= item.qty: the left side is empty`.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.notes.take()
    }
}

/// Why a source was refused or an evaluation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{en}")]
pub struct TemplateError {
    /// `template-syntax`, `template-name`, `template-refused`, `template-limit`, `template-run`.
    pub code: &'static str,
    pub en: String,
    pub zh: String,
    /// A way out, where one is known.
    pub hint: Option<Box<(String, String)>>,
    /// Byte offset in the source, where known.
    pub offset: Option<usize>,
}

impl TemplateError {
    pub(crate) fn new(code: &'static str, en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self {
            code,
            en: en.into(),
            zh: zh.into(),
            hint: None,
            offset: None,
        }
    }

    pub(crate) fn at(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }

    pub(crate) fn hint(mut self, en: impl Into<String>, zh: impl Into<String>) -> Self {
        self.hint = Some(Box::new((en.into(), zh.into())));
        self
    }

    fn syntax(error: &minijinja::Error) -> Self {
        let detail = error.detail().unwrap_or("cannot be read").to_owned();
        let mut made = Self::new(
            "template-syntax",
            format!("this expression cannot be read: {detail}"),
            format!("无法解析这个表达式：{}", words::chinese(&detail)),
        )
        .hint(
            "expressions look like `order.status == 'shipped'`, texts like `Hello {{ name }}`",
            "表达式形如 `order.status == 'shipped'`，文本形如 `您好 {{ name }}`",
        );
        made.offset = error.range().map(|range| range.start);
        made
    }

    fn run(error: &minijinja::Error) -> Self {
        let detail = match error.kind() {
            minijinja::ErrorKind::OutOfFuel => "it takes too long".to_owned(),
            _ => error
                .detail()
                .map_or_else(|| error.to_string(), str::to_owned),
        };
        Self::new(
            "template-run",
            detail.clone(),
            format!("求值失败：{detail}"),
        )
    }
}

/// All expressions and texts of a pack, compiled once.
pub struct Templates {
    env: Environment<'static>,
    compiled: Vec<Compiled>,
}

struct Compiled {
    /// Its name in the environment.
    key: String,
    names: Vec<Arc<str>>,
    labels: Vec<Arc<str>>,
    analysis: Arc<Analysis>,
    /// A value (an expression, a single `{{ }}`) rather than text.
    value: bool,
    /// The same as a comparison of numbers, where it is one.
    quick: Option<quick::Quick>,
}

impl Default for Templates {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Templates({})", self.compiled.len())
    }
}

impl Templates {
    #[must_use]
    pub fn new() -> Self {
        let mut env = Environment::empty();
        env.set_debug(false);
        env.set_fuel(Some(FUEL));
        env.set_recursion_limit(64);
        env.set_undefined_behavior(UndefinedBehavior::Chainable);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        // The first parse has cut the last line break already.
        if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
            env.set_syntax(syntax);
        }
        env.set_formatter(value::format);
        filters::install(&mut env);
        Self {
            env,
            compiled: Vec::new(),
        }
    }

    /// Compiles an expression. Fails on syntax, on what is refused and on names of filters, tests
    /// and functions that do not exist; names of variables are the caller's to judge.
    pub fn expr(&mut self, source: &str, span: Span) -> Result<Expr, TemplateError> {
        count_tokens(source, true)?;
        let tree = machinery::parse_expr(source).map_err(|e| TemplateError::syntax(&e))?;
        let analysis = analysis::of_expr(&tree)?;
        let rewritten = format!("{{% set {} = {} %}}", value::RESULT, rewrite::expr(&tree));
        let id = self.add(rewritten, analysis, true)?;
        self.compiled[id as usize].quick = quick::Quick::of(&tree);
        Ok(Expr {
            id,
            source: Arc::from(source),
            span,
        })
    }

    /// Compiles a text. Fails as [`Self::expr`] does.
    pub fn text(&mut self, source: &str, span: Span) -> Result<Template, TemplateError> {
        let shared: Arc<str> = Arc::from(source);
        if !source.contains("{{") && !source.contains("{%") && !source.contains("{#") {
            let literal = Some(shared.clone());
            return Ok(Template {
                id: u32::MAX,
                source: shared,
                span,
                literal,
                single: false,
            });
        }
        count_tokens(source, false)?;
        let tree = machinery::parse(source, "text", SyntaxConfig::default())
            .map_err(|e| TemplateError::syntax(&e))?;
        let machinery::ast::Stmt::Template(root) = &tree else {
            return Err(TemplateError::new(
                "template-syntax",
                "not a text",
                "不是文本",
            ));
        };
        let analysis = analysis::of_body(&root.children)?;
        if let [machinery::ast::Stmt::EmitExpr(only)] = root.children.as_slice() {
            let rewritten = format!(
                "{{% set {} = {} %}}",
                value::RESULT,
                rewrite::expr(&only.expr)
            );
            let id = self.add(rewritten, analysis, true)?;
            return Ok(Template {
                id,
                source: shared,
                span,
                literal: None,
                single: true,
            });
        }
        let id = self.add(rewrite::body(&root.children), analysis, false)?;
        Ok(Template {
            id,
            source: shared,
            span,
            literal: None,
            single: false,
        })
    }

    fn add(
        &mut self,
        rewritten: String,
        analysis: Analysis,
        value: bool,
    ) -> Result<u32, TemplateError> {
        let id = u32::try_from(self.compiled.len()).unwrap_or(u32::MAX - 1);
        let key = id.to_string();
        self.env
            .add_template_owned(key.clone(), rewritten)
            .map_err(|e| TemplateError {
                offset: None,
                ..TemplateError::syntax(&e)
            })?;
        let mut names: Vec<Arc<str>> = Vec::new();
        for used in &analysis.names {
            if !names.iter().any(|n| **n == *used.name) {
                names.push(Arc::from(used.name.as_str()));
            }
        }
        let labels = analysis
            .labels
            .iter()
            .map(|l| Arc::from(l.as_str()))
            .collect();
        let analysis = Arc::new(analysis);
        self.compiled.push(Compiled {
            key,
            names,
            labels,
            analysis,
            value,
            quick: None,
        });
        Ok(id)
    }

    /// What an expression names and compares.
    #[must_use]
    pub fn analysis(&self, expr: &Expr) -> &Analysis {
        &self.compiled[expr.id as usize].analysis
    }

    /// What a text names and compares; none where it has nothing to fill in.
    #[must_use]
    pub fn text_analysis(&self, template: &Template) -> Option<&Analysis> {
        self.compiled
            .get(template.id as usize)
            .map(|c| &*c.analysis)
    }

    /// The variables an expression reads.
    #[must_use]
    pub fn names(&self, expr: &Expr) -> Vec<&str> {
        self.compiled[expr.id as usize]
            .names
            .iter()
            .map(|n| &**n)
            .collect()
    }

    /// Evaluates an expression.
    pub fn eval(&self, expr: &Expr, scope: &Scope<'_>) -> Result<Value, TemplateError> {
        self.raw(expr.id, scope).map(|v| value::to_json(&v))
    }

    /// Whether a condition holds: what minijinja calls true (not none, false, zero or empty).
    pub fn test(&self, expr: &Expr, scope: &Scope<'_>) -> Result<bool, TemplateError> {
        let quick = self.compiled[expr.id as usize].quick.as_ref();
        if let Some(holds) = quick.and_then(|quick| quick.holds(scope.vars)) {
            return Ok(holds);
        }
        self.raw(expr.id, scope).map(|v| v.is_true())
    }

    /// A text with its values filled in.
    pub fn render(&self, template: &Template, scope: &Scope<'_>) -> Result<String, TemplateError> {
        if let Some(literal) = &template.literal {
            return Ok(literal.to_string());
        }
        if template.single {
            let text = value::display(&self.raw(template.id, scope)?);
            return if text.len() > OUTPUT_MAX {
                Err(too_long())
            } else {
                Ok(text)
            };
        }
        let compiled = &self.compiled[template.id as usize];
        let root = value::Root::new(scope, &compiled.names, &compiled.labels);
        let mut out = Capped {
            text: Vec::new(),
            full: false,
        };
        let rendered = self
            .env
            .get_template(&compiled.key)
            .and_then(|t| t.render_captured_to(root.value(), &mut out).map(drop));
        scope.notes.borrow_mut().extend(root.notes());
        match rendered {
            _ if out.full => Err(too_long()),
            Ok(()) => Ok(String::from_utf8_lossy(&out.text).into_owned()),
            Err(error) => Err(TemplateError::run(&error)),
        }
    }

    /// The value a text stands for: of a single `{{ }}` with its type, else the text.
    pub fn value(&self, template: &Template, scope: &Scope<'_>) -> Result<Value, TemplateError> {
        if template.single {
            return self.raw(template.id, scope).map(|v| value::to_json(&v));
        }
        self.render(template, scope).map(Value::String)
    }

    fn raw(&self, id: u32, scope: &Scope<'_>) -> Result<minijinja::Value, TemplateError> {
        let compiled = &self.compiled[id as usize];
        debug_assert!(compiled.value, "texts are rendered");
        let root = value::Root::new(scope, &compiled.names, &compiled.labels);
        let captured = self
            .env
            .get_template(&compiled.key)
            .and_then(|t| t.render_captured(root.value()));
        scope.notes.borrow_mut().extend(root.notes());
        let captured = captured.map_err(|e| TemplateError::run(&e))?;
        Ok(captured.state().lookup(value::RESULT).unwrap_or_default())
    }
}

fn too_long() -> TemplateError {
    TemplateError::new(
        "template-limit",
        format!("the text would be longer than {} kB", OUTPUT_MAX >> 10),
        format!("文本会超过 {} kB", OUTPUT_MAX >> 10),
    )
}

struct Capped {
    text: Vec<u8>,
    full: bool,
}

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > OUTPUT_MAX {
            self.full = true;
            return Err(io::Error::other("full"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn count_tokens(source: &str, expr: bool) -> Result<(), TemplateError> {
    let refused = |offset: usize| {
        TemplateError::new(
            "template-limit",
            "this expression is too long",
            "这个表达式太长",
        )
        .at(offset)
        .hint(
            "compute it in a Lua function and keep the result in a slot",
            "请在 Lua 函数中计算，并把结果存入槽位",
        )
    };
    let (mut all, mut tag) = (0, 0);
    for token in machinery::tokenize(source, expr, SyntaxConfig::default()) {
        let (token, span) = token.map_err(|e| TemplateError::syntax(&e))?;
        all += 1;
        tag += 1;
        if matches!(token, machinery::Token::TemplateData(_)) {
            tag = 0;
        }
        if all > TOKENS_MAX || tag > TOKENS_PER_TAG {
            return Err(refused(span.start_offset as usize));
        }
    }
    Ok(())
}
