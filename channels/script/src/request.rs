//! A webhook request as a channel's file sees it, and what it answers.

use std::fmt;

use bytes::Bytes;
use mlua::{Lua, Table, Value as LuaValue};
use tandem_domain::Timestamp;
use tandem_lua::value;
use url::Url;

use crate::prim::codec::{self, Fields};

/// Bytes of an answer's body.
const ANSWER_MAX: usize = 64 << 10;
/// Bytes of a state that a header or a field of the query takes besides its texts.
const PAIR: usize = 256;
/// Headers of an answer.
const HEADERS_MAX: usize = 32;

/// A request, complete, before anyone has believed it.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// The configured public address with the raw path and query: never from the Host header.
    pub url: String,
    pub path: String,
    /// Decoded; a repeated name counts once, with its first value.
    pub query: Fields,
    /// Names in lower case; values of one name joined by `, `.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Bytes,
    pub now: Timestamp,
}

impl fmt::Debug for Request {
    /// Signatures and texts of customers stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Request {
    /// Path and query are read from the URL. A query that is badly escaped counts as empty; the
    /// URL has it all the same.
    #[must_use]
    pub fn new<'h>(
        method: &str,
        url: &str,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
        body: Bytes,
        now: Timestamp,
    ) -> Self {
        let mut joined: Vec<(String, Vec<u8>)> = Vec::new();
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            match joined.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => {
                    known.extend_from_slice(b", ");
                    known.extend_from_slice(value);
                }
                None => joined.push((name, value.to_vec())),
            }
        }
        let after = url.split_once("://").map_or(url, |(_, rest)| rest);
        let target = after.find(['/', '?']).map_or("/", |at| &after[at..]);
        let target = target.split('#').next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut fields: Fields = Vec::new();
        for (name, value) in codec::form_decode(query.as_bytes()).unwrap_or_default() {
            if !fields.iter().any(|(known, _)| *known == name) {
                fields.push((name, value));
            }
        }
        Self {
            method: method.to_ascii_uppercase(),
            url: url.to_owned(),
            path: path.to_owned(),
            query: fields,
            headers: joined,
            body,
            now,
        }
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_slice())
    }

    #[must_use]
    pub fn query(&self, name: &str) -> Option<&[u8]> {
        let found = self
            .query
            .iter()
            .find(|(known, _)| known == name.as_bytes());
        found.map(|(_, value)| value.as_slice())
    }

    pub(crate) fn to_lua(&self, lua: &Lua) -> mlua::Result<Table> {
        let fields = self
            .query
            .iter()
            .map(|(name, value)| name.len() + value.len());
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len());
        let pairs = self.query.len() + self.headers.len();
        let texts = self.body.len() + self.url.len() + fields.chain(headers).sum::<usize>();
        value::making(lua, 2 * texts + PAIR * pairs, || self.table(lua))
    }

    fn table(&self, lua: &Lua) -> mlua::Result<Table> {
        let table = lua.create_table_with_capacity(0, 7)?;
        table.raw_set("method", self.method.as_str())?;
        table.raw_set("url", self.url.as_str())?;
        table.raw_set("path", self.path.as_str())?;
        let query = lua.create_table_with_capacity(0, self.query.len())?;
        for (name, value) in &self.query {
            query.raw_set(lua.create_string(name)?, lua.create_string(value)?)?;
        }
        table.raw_set("query", query)?;
        let headers = lua.create_table_with_capacity(0, self.headers.len())?;
        for (name, value) in &self.headers {
            match std::str::from_utf8(value) {
                Ok(value) => headers.raw_set(name.as_str(), value)?,
                Err(_) => headers.raw_set(name.as_str(), lua.create_string(value)?)?,
            }
        }
        table.raw_set("headers", headers)?;
        table.raw_set("body", lua.create_string(&self.body)?)?;
        table.raw_set("now", self.now.0 as f64)?;
        Ok(table)
    }
}

/// The public base of a URL joined with a raw path and query.
#[must_use]
pub fn public_url(webhook: &Url, query: Option<&str>) -> String {
    let mut url = webhook.as_str().to_owned();
    if let Some(query) = query {
        url.push('?');
        url.push_str(query);
    }
    url
}

/// What a file answers to a request: 200 and nothing, unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Default for Response {
    fn default() -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }
}

impl Response {
    /// Reads the table a file returned. The error says what is wrong with it.
    pub(crate) fn from_lua(table: &Table) -> Result<Self, String> {
        let mut response = Self::default();
        for pair in table.pairs::<LuaValue, LuaValue>() {
            let (name, value) = pair.map_err(|_| "the response changed while it was read")?;
            let LuaValue::String(name) = name else {
                return Err("a response has the fields status, headers and body".to_owned());
            };
            match (&*name.to_string_lossy(), value) {
                ("status", LuaValue::Integer(status)) if (200..600).contains(&status) => {
                    response.status = u16::try_from(status).unwrap_or(500);
                }
                ("status", LuaValue::Number(status))
                    if status.fract() == 0.0 && (200.0..600.0).contains(&status) =>
                {
                    response.status = status as u16;
                }
                ("headers", LuaValue::Table(headers)) => {
                    for pair in headers.pairs::<String, String>() {
                        let pair = pair.map_err(|_| "a response's headers are texts by name")?;
                        response.headers.push(pair);
                    }
                    response.headers.sort();
                }
                ("body", LuaValue::String(body)) => {
                    response.body = Bytes::copy_from_slice(&body.as_bytes());
                }
                ("status", _) => return Err("a response's status is 200 to 599".to_owned()),
                ("headers", _) => return Err("a response's headers are a table".to_owned()),
                ("body", _) => return Err("a response's body is text".to_owned()),
                (other, _) => return Err(format!("a response has no field {other}")),
            }
        }
        if response.headers.len() > HEADERS_MAX || response.body.len() > ANSWER_MAX {
            return Err("the response is too large".to_owned());
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str, headers: &[(&str, &str)]) -> Request {
        Request::new(
            "post",
            url,
            headers.iter().map(|(n, v)| (*n, v.as_bytes())),
            Bytes::new(),
            Timestamp(0),
        )
    }

    #[test]
    fn a_request_is_read_from_its_url_and_headers() {
        let r = request(
            "https://x.test/hooks/a/b?t=1&t=2&n=a%20b#f",
            &[("X-A", "1"), ("x-a", "2"), ("B", "3")],
        );
        assert_eq!((&*r.method, &*r.path), ("POST", "/hooks/a/b"));
        assert_eq!(r.query("t"), Some(&b"1"[..]));
        assert_eq!(r.query("n"), Some(&b"a b"[..]));
        assert_eq!(r.header("x-a"), Some(&b"1, 2"[..]));
        assert_eq!(r.header("b"), Some(&b"3"[..]));
        assert_eq!(request("https://x.test?a=%zz", &[]).query, []);
        assert_eq!(request("https://x.test", &[]).path, "/");
    }
}
