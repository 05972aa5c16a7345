//! The environment: overrides of single settings, and values that secrets refer to.

use std::{collections::BTreeMap, fmt};

use super::{
    problem::{Fault, Problem},
    tree::{Entry, Node, Place, Value},
};

/// `TANDEM__SERVER__LISTEN` sets `server.listen`.
const PREFIX: &str = "TANDEM__";

/// Environment variables, as they were when the program began.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl fmt::Debug for Environment {
    /// Names only: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// The process's own. Variables that are not UTF-8 are left out.
    #[must_use]
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
        )
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// With one variable more, or another value for it.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    fn overrides(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .range(PREFIX.to_owned()..)
            .take_while(|(name, _)| name.starts_with(PREFIX))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for Environment {
    fn from(pairs: [(K, V); N]) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

/// Writes every override into the tree.
pub(super) fn apply(tree: &mut Node, env: &Environment) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, value) in env.overrides() {
        let steps: Vec<&str> = name[PREFIX.len()..].split("__").collect();
        let place = Place::Variable(name.to_owned());
        if let Err(fault) = set(tree, &steps, value, &place) {
            problems.push(Problem::at(fault, place, Vec::new()));
        }
    }
    problems
}

fn set(node: &mut Node, steps: &[&str], value: &str, place: &Place) -> Result<(), Fault> {
    let Some((step, rest)) = steps.split_first() else {
        *node = Node::new(Value::Raw(value.to_owned()), place.clone());
        return Ok(());
    };
    if step.is_empty() {
        return Err(Fault::Value {
            en: "the name of the variable has an empty part: parts are joined by two underscores, \
                 as in TANDEM__SERVER__LISTEN"
                .to_owned(),
            zh: "变量名中有空的部分：各部分之间用两个下划线连接，例如 TANDEM__SERVER__LISTEN"
                .to_owned(),
        });
    }
    let index = step.parse::<usize>().ok();
    if matches!(node.value, Value::Null) {
        node.value = match index {
            Some(_) => Value::List(Vec::new()),
            None => Value::Map(Vec::new()),
        };
        node.place = place.clone();
    }
    match (&mut node.value, index) {
        (Value::Map(entries), _) => {
            let at = match entries.iter().position(|e| same(&e.key, step)) {
                Some(at) => at,
                None => {
                    entries.push(Entry {
                        key: step.to_ascii_lowercase(),
                        place: place.clone(),
                        node: Node::default(),
                    });
                    entries.len() - 1
                }
            };
            set(&mut entries[at].node, rest, value, place)
        }
        (Value::List(items), Some(at)) if at <= items.len() => {
            if at == items.len() {
                items.push(Node::default());
            }
            set(&mut items[at], rest, value, place)
        }
        (Value::List(items), _) => Err(Fault::Value {
            en: format!(
                "`{step}` is not the place of a list with {} entries",
                items.len()
            ),
            zh: format!("`{step}` 不是该列表（{} 项）中的位置", items.len()),
        }),
        _ => Err(Fault::Value {
            en: format!("`{step}` lies under a setting that is no group"),
            zh: format!("`{step}` 的上级设置不是一组设置"),
        }),
    }
}

/// A variable's name has no lower case and no hyphens.
fn same(key: &str, step: &str) -> bool {
    key.len() == step.len()
        && key
            .bytes()
            .zip(step.bytes())
            .all(|(k, s)| k.eq_ignore_ascii_case(&s) || (k == b'-' && s == b'_'))
}
