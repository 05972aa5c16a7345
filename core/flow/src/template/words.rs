//! minijinja's complaints in Chinese. It gives syntax errors as English text only; what is not
//! known here is told as what it is.

/// The Chinese of a syntax error's detail.
pub(super) fn chinese(detail: &str) -> String {
    let fixed = match detail {
        "unexpected input after expression" => "表达式后面还有多余的内容",
        "unexpected input after end of variable block" => "`}}` 前面有多余的内容",
        "unexpected end of string" => "引号没有闭合",
        "unexpected end of comment" => "注释 `{#` 没有用 `#}` 结束",
        "unexpected end of raw block" => "`raw` 块没有结束",
        "unexpected character" => "有无法识别的字符",
        "unexpected end of input, expected keyword" => "块没有结束，例如缺少 `{% endif %}`",
        "Too many arguments in function call" => "参数太多",
        "non-keyword arg after keyword arg" => "不带名称的参数要写在带名称的参数前面",
        "empty subscript" => "`[]` 里缺少内容",
        "invalid float" | "invalid integer (too large)" | "'_' may not occur at end of number" => {
            "数字的写法不对"
        }
        "template exceeds maximum recursion limits" => "嵌套太深",
        "'continue' must be placed inside a loop" => "`continue` 只能写在循环里",
        "'break' must be placed inside a loop" => "`break` 只能写在循环里",
        _ => "",
    };
    if !fixed.is_empty() {
        return fixed.to_owned();
    }
    if let Some((found, wanted)) = detail
        .strip_prefix("unexpected ")
        .and_then(|rest| rest.split_once(", expected "))
    {
        return format!("这里是{}，应为{}", token(found), token(wanted));
    }
    if let Some(found) = detail.strip_prefix("unexpected ") {
        return format!("这里不应出现{}", token(found));
    }
    if let Some(name) = detail.strip_prefix("unknown statement ") {
        return format!("没有 `{{% {name} %}}` 这种语句");
    }
    if let Some((what, name)) = detail
        .strip_prefix("cannot assign to reserved variable name ")
        .map(|name| ("不能给保留名称赋值", name))
    {
        return format!("{what}：`{name}`");
    }
    if detail.starts_with("unknown ") && detail.ends_with(", expected statement") {
        return "`{%` 后面应为语句".to_owned();
    }
    "写法不对".to_owned()
}

/// What the lexer calls a piece of source. Signs stand between backticks already.
fn token(name: &str) -> String {
    match name {
        "end of input" => "内容的结尾",
        "end of variable block" => "`}}`",
        "start of variable block" => "`{{`",
        "end of block" => "`%}`",
        "start of block" => "`{%`",
        "template-data" => "普通文本",
        "identifier" => "名称",
        "identifier or integer" => "名称或整数",
        "string" => "字符串",
        "integer" => "整数",
        "float" => "小数",
        "a filter" => "过滤器",
        "expression" => "表达式",
        sign if sign.starts_with('`') => sign,
        "in" | "end keyword" | "as" => return format!("`{name}`"),
        _ => "其他内容",
    }
    .to_owned()
}
