//! `plugin:` steps, and `plugin.call` of scripts, held against the plugins' contracts.

use super::{
    super::{
        scripts::{self, Argument, PluginCall},
        yaml::{Kind as NodeKind, Node},
    },
    Build,
    calls::{Error, Repeat},
    exprs::Type,
    flows::Draft,
};
use crate::{
    contract::{self, Contract, Fault, Given, Kind, Method, faults},
    diagnostic::{Place, Words, suggest, words},
    model::{Arg, Args, PluginStep, Span, StepKind, StepRef},
};

impl Build<'_> {
    pub(super) fn plugin(
        &mut self,
        draft: &mut Draft,
        node: &Node,
        value: &Node,
        at: StepRef,
    ) -> Option<StepKind> {
        let called = self.plugin_method(value);
        let known = called
            .as_ref()
            .and_then(|(plugin, method)| self.method(plugin, method));
        let name = value.text().unwrap_or_default();
        let with = self.args(node.get("with"));
        let save = self.save(node);
        if let Some(known) = &known {
            let pairs = self.given_map(node.get("with"), &with);
            let top = node.get("with").map_or(value.place(), Node::place);
            self.hold(name, known, pairs, top);
            let result = known.result.as_ref();
            self.check_save(node, result.and_then(|schema| schema.kind()));
        }
        let timeout = self.timeout(node);
        let Repeat {
            write,
            once_per,
            once_for,
            retry,
        } = self.repeat(node);
        let codes = known.as_ref().and_then(|known| known.errors.as_ref());
        let of = codes.map_or(Error::Plugin, |codes| Error::Declared {
            called: name,
            codes,
        });
        let on_error = self.on_error(draft, node, at, of);
        let (plugin, method) = called?;
        let repeatable = !write || known.is_some_and(|method| method.idempotent);
        if let (Some((key, _)), false) = (node.pair("retry"), repeatable) {
            self.problems.warn(
                "call-retry",
                key.place(),
                words(
                    format!(
                        "`{plugin}.{method}` is never repeated: nobody knows whether twice is once"
                    ),
                    format!("`{plugin}.{method}` 不会重试：无法确定执行两次是否等于一次"),
                ),
                words(
                    "remove `retry`, or let the plugin say that the method is `idempotent`",
                    "请删去 `retry`，或由插件声明该方法为 `idempotent`",
                ),
            );
        }
        Some(StepKind::Plugin(Box::new(PluginStep {
            plugin,
            method,
            with,
            save,
            write,
            once_per,
            once_for,
            retry,
            timeout,
            on_error,
        })))
    }

    fn method(&self, plugin: &str, method: &str) -> Option<Method> {
        self.names
            .contracts
            .get(plugin)?
            .methods
            .get(method)
            .cloned()
    }

    /// `plugin.method`, both known.
    fn plugin_method(&mut self, value: &Node) -> Option<(String, String)> {
        let text = value.text()?;
        let Some((plugin, method)) = split(text) else {
            self.problems.error(
                "wrong-type",
                value.place(),
                words(
                    "`plugin` takes `plugin.method`",
                    "`plugin` 应写作 `插件.方法`",
                ),
                words("write `plugin: crm.lookup`", "请写成 `plugin: crm.lookup`"),
            );
            return None;
        };
        let method_at = value.inside(plugin.len() + 1, self.problems);
        self.known_method((plugin, value.place()), (method, method_at))
            .then(|| (plugin.to_owned(), method.to_owned()))
    }

    /// Reports a plugin without a contract.
    fn known_plugin(&mut self, name: &str, at: Place) -> Option<&Contract> {
        if !self.names.contracts.contains_key(name) {
            // A contract that cannot be read has been told of already.
            if !self.names.bad_contracts.contains(name) {
                let known: Vec<&str> = self.names.contracts.keys().map(String::as_str).collect();
                let hint = no_contract(name, crate::diagnostic::nearest(name, known));
                self.problems.error(
                    "unknown-plugin",
                    at,
                    words(
                        format!("the pack has no contract of a plugin `{name}`"),
                        format!("业务包中没有插件 `{name}` 的契约"),
                    ),
                    hint,
                );
            }
            return None;
        }
        self.names.contracts.get(name)
    }

    /// Reports a plugin without a contract, or a method that its contract has not.
    fn known_method(&mut self, (name, at): (&str, Place), method: (&str, Place)) -> bool {
        let Some(contract) = self.known_plugin(name, at) else {
            return false;
        };
        let (method, at) = method;
        if contract.methods.contains_key(method) {
            return true;
        }
        let known: Vec<&str> = contract.methods.keys().map(String::as_str).collect();
        let hint = suggest(
            method,
            known.iter().copied(),
            words(
                format!("`{name}` has no methods for flows"),
                format!("`{name}` 没有供流程调用的方法"),
            ),
        );
        let version = contract.version.clone();
        let mut at = at;
        at.len = u32::try_from(method.chars().count()).unwrap_or(1);
        self.problems.error(
            "unknown-plugin-method",
            at,
            words(
                format!("the plugin `{name}` {version} has no method `{method}`"),
                format!("插件 `{name}` {version} 没有方法 `{method}`"),
            ),
            hint,
        );
        false
    }

    fn hold(
        &mut self,
        called: &str,
        method: &Method,
        pairs: Vec<(String, Place, Given<Place>)>,
        top: Place,
    ) {
        let Some(schema) = &method.params else { return };
        for fault in faults(schema, &Given::map(top, pairs)) {
            self.tell(called, fault);
        }
    }

    fn tell(&mut self, called: &str, fault: Fault<Place>) {
        match fault {
            Fault::Missing { at, name } => self.problems.error(
                "missing-argument",
                at,
                words(
                    format!("`{called}` needs `{name}`"),
                    format!("`{called}` 需要 `{name}`"),
                ),
                words(
                    format!("add `{name}` to what it is given"),
                    format!("请在传入的参数中添加 `{name}`"),
                ),
            ),
            Fault::Unknown {
                at,
                name,
                known,
                refused,
            } => {
                let hint = suggest(
                    &name,
                    known.iter().map(String::as_str),
                    words("remove it", "请删去"),
                );
                let message = words(
                    format!("`{called}` takes no `{name}`"),
                    format!("`{called}` 没有参数 `{name}`"),
                );
                if refused {
                    self.problems.error("unknown-argument", at, message, hint);
                } else {
                    self.problems.warn("unknown-argument", at, message, hint);
                }
            }
            Fault::Kind {
                at,
                is,
                wanted,
                literal,
            } => {
                let hint = kind_hint(is, &wanted, literal.as_deref());
                let wanted_en: Vec<&str> = wanted.iter().map(|k| k.words().0).collect();
                let wanted_zh: Vec<&str> = wanted.iter().map(|k| k.words().1).collect();
                let (en, zh) = (wanted_en.join(" or "), wanted_zh.join("或"));
                let message = match literal {
                    Some(shown) => words(
                        format!("`{called}` takes {en} here, not {shown}"),
                        format!("`{called}` 此处应为{zh}，而不是 {shown}"),
                    ),
                    None => words(
                        format!("`{called}` takes {en} here, and this is {}", is.words().0),
                        format!("`{called}` 此处应为{zh}，而这里是{}", is.words().1),
                    ),
                };
                self.problems.error("wrong-argument", at, message, hint);
            }
            Fault::Value { at, shown, en, zh } => self.problems.error(
                "wrong-argument",
                at,
                words(
                    format!("`{called}` does not take {shown} here"),
                    format!("`{called}` 此处不接受 {shown}"),
                ),
                words(en, zh),
            ),
        }
    }

    /// What is known of the values of a `with`, with their places.
    fn given_map(&self, node: Option<&Node>, args: &Args) -> Vec<(String, Place, Given<Place>)> {
        let pairs = node.and_then(Node::map).unwrap_or_default();
        pairs
            .iter()
            .filter_map(|(key, value)| {
                let name = key.text()?;
                let arg = args.iter().find(|(n, _)| n == name).map(|(_, arg)| arg);
                let given =
                    arg.map_or_else(|| Given::any(value.place()), |arg| self.given(value, arg));
                Some((name.to_owned(), key.place(), given))
            })
            .collect()
    }

    fn given(&self, node: &Node, arg: &Arg) -> Given<Place> {
        let at = node.place();
        match (arg, &node.kind) {
            (Arg::Literal { value, .. }, _) => Given::literal(at, value.clone()),
            (Arg::Template(template), _) if !template.single => Given::some(at, Kind::Text),
            (Arg::Template(template), _) => {
                let shape = self
                    .templates
                    .text_analysis(template)
                    .and_then(|analysis| analysis.shape.as_ref());
                match shape.and_then(|shape| kind_of(self.type_of(shape))) {
                    Some(kind) => Given::some(at, kind),
                    None => Given::any(at),
                }
            }
            (Arg::Map(fields), NodeKind::Map(_)) => {
                Given::map(at, self.given_map(Some(node), fields))
            }
            (Arg::List(args), NodeKind::Seq(nodes)) if args.len() == nodes.len() => {
                let items = nodes.iter().zip(args);
                Given::list(at, items.map(|(node, arg)| self.given(node, arg)).collect())
            }
            _ => Given::any(at),
        }
    }

    /// Holds the `plugin.call`s of a script against the contracts.
    pub(in crate::load) fn script(&mut self, file: u32, text: &str) {
        let place = |at: usize, length: usize| {
            let (line, column) = contract::line_column(text, at);
            Place {
                span: Span { file, line, column },
                len: u32::try_from(length).unwrap_or(1),
            }
        };
        for call in scripts::plugin_calls(text) {
            let PluginCall {
                plugin,
                method,
                args,
                at,
            } = call;
            let at_of = |name: &(String, usize)| place(name.1, name.0.chars().count());
            let known = match &method {
                Some(method) => {
                    self.known_method((&plugin.0, at_of(&plugin)), (&method.0, at_of(method)))
                }
                None => self.known_plugin(&plugin.0, at_of(&plugin)).is_some(),
            };
            let (Some(method), Some(args), true) = (method, args, known) else {
                continue;
            };
            let Some(spec) = self.method(&plugin.0, &method.0) else {
                continue;
            };
            let pairs = args
                .into_iter()
                .map(|Argument { name, at, value }| {
                    let key = place(at, name.chars().count());
                    let given = match value {
                        Some(value) => Given::literal(key, value),
                        None => Given::any(key),
                    };
                    (name, key, given)
                })
                // A field that is nil is no field.
                .filter(|(.., given)| !given.is_null())
                .collect();
            let top = place(at, "plugin.call".len());
            self.hold(&format!("{}.{}", plugin.0, method.0), &spec, pairs, top);
        }
    }
}

/// `plugin.method`; the first dot divides, since a method's name may have dots.
pub(crate) fn split(text: &str) -> Option<(&str, &str)> {
    let (plugin, method) = text.split_once('.')?;
    let named = !method.is_empty()
        && method.len() <= 64
        && method
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    (contract::is_plugin_name(plugin) && named).then_some((plugin, method))
}

fn no_contract(name: &str, near: Option<&str>) -> Words {
    match near {
        Some(near) => words(
            format!(
                "did you mean `{near}`? Else write it with `tandem plugin inspect {name} --write FOLDER`"
            ),
            format!(
                "是不是想写 `{near}`？否则请用 `tandem plugin inspect {name} --write 文件夹` 生成"
            ),
        ),
        None => words(
            format!(
                "write it with `tandem plugin inspect {name} --write FOLDER`, FOLDER being the pack's"
            ),
            format!(
                "请用 `tandem plugin inspect {name} --write 文件夹` 生成，文件夹为业务包所在位置"
            ),
        ),
    }
}

fn kind_of(ty: Type) -> Option<Kind> {
    Some(match ty {
        // Dates are handed over as text.
        Type::Text | Type::Date => Kind::Text,
        Type::Number => Kind::Number,
        Type::Boolean => Kind::Boolean,
        Type::List => Kind::List,
        Type::Object => Kind::Map,
        Type::None | Type::Unknown => return None,
    })
}

fn kind_hint(is: Kind, wanted: &[Kind], literal: Option<&str>) -> Words {
    let text = wanted.contains(&Kind::Text);
    let number = wanted
        .iter()
        .any(|k| matches!(k, Kind::Whole | Kind::Number));
    match (is, literal) {
        (Kind::Whole | Kind::Number | Kind::Boolean, Some(shown)) if text => {
            let bare = shown.trim_matches('`');
            words(
                format!("write it in quotes, as \"{bare}\""),
                format!("请加引号，如 \"{bare}\""),
            )
        }
        (Kind::Whole | Kind::Number, None) if text => words(
            "make it text: `{{ x | string }}`",
            "请转成文本：`{{ x | string }}`",
        ),
        (Kind::Text, None) if number => words(
            "make it a number: `{{ x | int }}`",
            "请转成数字：`{{ x | int }}`",
        ),
        (Kind::Text, Some(_)) if number => {
            words("write the number without quotes", "请写数字，不加引号")
        }
        _ => words(
            "see `params` in the plugin's contract",
            "见插件契约中的 `params`",
        ),
    }
}
