//! Lines of JSON, bounded.

use serde::Deserialize;
use serde_json::Value;
use tandem_plugin_sdk::{Error, wire::read};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use crate::Said;

/// What the other side says.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// It asks for something; without an id it wants no answer.
    Asks {
        id: Option<Value>,
        method: String,
        params: Value,
    },
    Answers {
        id: u64,
        result: Result<Value, Error>,
    },
}

#[derive(Deserialize)]
struct Shape {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    error: Option<Error>,
}

/// Reads one line.
pub fn parse(line: &[u8]) -> Result<Message, Said> {
    let Shape {
        id,
        method,
        params,
        result,
        error,
    } = read(line)?;
    if let Some(method) = method {
        // It comes back as it was given, and must not be a way to keep much in memory.
        let plain = |id: &Value| match id {
            Value::Number(_) => true,
            Value::String(text) => text.len() <= 64,
            _ => false,
        };
        if id.as_ref().is_some_and(|id| !plain(id)) {
            return Err(Said::new(
                "an `id` is a number or a short text",
                "`id` 应为数字或短文本",
            ));
        }
        return Ok(Message::Asks { id, method, params });
    }
    let id = id.as_ref().and_then(Value::as_u64);
    let id = id.ok_or_else(|| {
        Said::new(
            "it has neither a `method` nor the `id` of a call",
            "它既没有 `method`，也没有某次调用的 `id`",
        )
    })?;
    let result = match error {
        Some(error) => Err(error),
        None => Ok(result),
    };
    Ok(Message::Answers { id, result })
}

/// The next line without its end; `None` at the end.
pub async fn next(
    from: &mut (impl AsyncBufRead + Unpin),
    most: usize,
) -> Result<Option<Vec<u8>>, Said> {
    let mut line = Vec::new();
    loop {
        let bytes = from.fill_buf().await.map_err(|why| why.to_string())?;
        if bytes.is_empty() {
            return Ok((!line.is_empty()).then_some(line));
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(bytes.len());
        if line.len() + taken > most {
            return Err(Said::new(
                format!("a line of more than {most} bytes"),
                format!("一行超过 {most} 字节"),
            ));
        }
        line.extend_from_slice(&bytes[..taken]);
        from.consume(taken + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::BufReader;

    use super::*;

    #[test]
    fn lines_are_calls_answers_or_refused() {
        let asks = parse(br#"{"id": "a", "method": "kv.get", "params": {"key": "k"}}"#).unwrap();
        let expected = Message::Asks {
            id: Some(json!("a")),
            method: "kv.get".into(),
            params: json!({"key": "k"}),
        };
        assert_eq!(asks, expected);
        let answers = |id, result| Ok(Message::Answers { id, result });
        assert_eq!(
            parse(br#"{"id": 7, "result": [1]}"#),
            answers(7, Ok(json!([1])))
        );
        assert_eq!(parse(br#"{"id": 7}"#), answers(7, Ok(Value::Null)));
        let error = Error::new("sold_out", "none left");
        let failed = br#"{"id": 7, "error": {"code": "sold_out", "message": "none left"}}"#;
        assert_eq!(parse(failed), answers(7, Err(error)));
        let nonsense: [&[u8]; 7] = [
            b"",
            b"hello",
            b"[]",
            b"{}",
            b"{\"id\": -1}",
            b"{\"id\": [1], \"method\": \"a\"}",
            b"{\"id\": 1, \"result\": 2, \"x\": \"\xff\"}",
        ];
        for line in nonsense {
            assert!(parse(line).is_err(), "{}", String::from_utf8_lossy(line));
        }
    }

    #[tokio::test]
    async fn a_line_is_bounded_and_the_last_needs_no_end() {
        let mut from = BufReader::with_capacity(3, &b"one\n\ntwelve\nend"[..]);
        assert_eq!(next(&mut from, 6).await, Ok(Some(b"one".to_vec())));
        assert_eq!(next(&mut from, 6).await, Ok(Some(Vec::new())));
        assert_eq!(next(&mut from, 6).await, Ok(Some(b"twelve".to_vec())));
        assert_eq!(next(&mut from, 6).await, Ok(Some(b"end".to_vec())));
        assert_eq!(next(&mut from, 6).await, Ok(None));
        let mut long = BufReader::new(&b"thirteen"[..]);
        assert!(next(&mut long, 7).await.is_err());
    }
}
