//! What may stand where: the one table that the loader validates against and the JSON Schemas are
//! written from.

mod files;
mod flows;
mod said;
mod slots;
mod steps;
mod tests;

pub(crate) use self::{files::*, flows::*, said::*, slots::*, steps::*, tests::*};

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Ty {
    /// Any scalar, as written.
    Str,
    /// A name without spaces.
    Word,
    Bool,
    Int,
    Num,
    /// `7d`, `10m`, `1h30m`
    Dur,
    /// An expression.
    Expr,
    /// A text that may hold `{{ }}`, the same in every language.
    Tmpl,
    /// A text, or a text per locale.
    Text,
    Pattern,
    /// `module.function`
    Func,
    /// Examples, or examples per locale.
    Phrases,
    Response,
    /// A response's name, a text, or a message.
    Say,
    Steps,
    /// The fields of a form.
    Fields,
    /// The options of a choice.
    Options,
    /// What a person writes or sees in a test.
    Turns,
    /// Named values of any kind.
    Args,
    Any,
    Enum(&'static [&'static str]),
    List(&'static Ty),
    Map(&'static Ty),
    OneOrMany(&'static Ty),
    Object(&'static Shape),
    /// The first that takes the kind of value given (scalar, list, map).
    Either(&'static [Ty]),
}

#[derive(Debug)]
pub(crate) struct Shape {
    pub name: &'static str,
    pub name_zh: &'static str,
    pub fields: &'static [Field],
}

#[derive(Debug)]
pub(crate) struct Field {
    pub key: &'static str,
    pub ty: Ty,
    pub required: bool,
    pub en: &'static str,
    pub zh: &'static str,
}

/// A kind of step: its kind key with the value's type, and the fields beside it.
#[derive(Debug)]
pub(crate) struct Kind {
    pub key: &'static str,
    pub ty: Ty,
    pub en: &'static str,
    pub zh: &'static str,
    pub fields: &'static [Field],
}

const fn f(key: &'static str, ty: Ty, en: &'static str, zh: &'static str) -> Field {
    Field {
        key,
        ty,
        required: false,
        en,
        zh,
    }
}

const fn req(key: &'static str, ty: Ty, en: &'static str, zh: &'static str) -> Field {
    Field {
        key,
        ty,
        required: true,
        en,
        zh,
    }
}

const fn kind(
    key: &'static str,
    ty: Ty,
    en: &'static str,
    zh: &'static str,
    fields: &'static [Field],
) -> Kind {
    Kind {
        key,
        ty,
        en,
        zh,
        fields,
    }
}
