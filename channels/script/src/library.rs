//! What a channel's file finds among its globals.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use mlua::{Function, Lua, LuaString, Table, Value as LuaValue};
use tandem_domain::Value;
use tandem_lua::Library;

use crate::prim::{
    cipher, codec,
    digest::{self, Hash},
    json, keys, time,
    xml::{self, Element},
};

/// Where http, kv and random may be called.
const EFFECTS: &str = "send, acquire_token and fetch_media";
/// Every global of a file, besides Luau's own.
pub const GLOBALS: [&str; 29] = [
    "aes_cbc_decrypt",
    "aes_cbc_encrypt",
    "base64",
    "base64url",
    "ed25519_public",
    "ed25519_sign",
    "ed25519_verify",
    "eq",
    "form",
    "hex",
    "hmac_sha1",
    "hmac_sha256",
    "hmac_sha512",
    "http",
    "json",
    "jwt_verify",
    "kv",
    "log",
    "md5",
    "now",
    "print",
    "random",
    "rsa_sign",
    "rsa_verify",
    "sha1",
    "sha256",
    "time",
    "url",
    "xml",
];

/// The effects, in Lua because only Lua can yield.
const PRELUDE: &str = r#"
local call = ...
return {
	http = function(request) return call("http", request) end,
	random = function(count) return call("random", count) end,
	kv = {
		get = function(key) return call("kv.get", key) end,
		put = function(key, value, ttl) return call("kv.put", key, value, ttl) end,
		delete = function(key) return call("kv.delete", key) end,
	},
}
"#;

/// Sets of public keys that the host fetches for `jwt_verify`, by address. Shared by the states
/// of a file.
#[derive(Clone, Debug, Default)]
pub struct KeySets(Arc<RwLock<BTreeMap<String, Arc<Value>>>>);

impl KeySets {
    pub fn put(&self, url: &str, set: Value) {
        let mut sets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        sets.insert(url.to_owned(), Arc::new(set));
    }

    #[must_use]
    pub fn get(&self, url: &str) -> Option<Arc<Value>> {
        let sets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        sets.get(url).cloned()
    }
}

/// The library of channel files.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScriptLibrary {
    pub keys: KeySets,
}

impl Library for ScriptLibrary {
    fn effects(&self) -> &'static str {
        EFFECTS
    }

    fn globals(&self, lua: &Lua, hooks: &Table) -> mlua::Result<Vec<(&'static str, LuaValue)>> {
        let api: Table = hooks.raw_get("api")?;
        let array: Table = hooks.raw_get("array")?;
        let call: Function = hooks.raw_get("call")?;
        let effects: Table = lua.load(PRELUDE).set_name("=[tandem]").call(call)?;
        let mut globals = Globals {
            lua,
            found: Vec::new(),
        };
        for name in ["log", "print", "now"] {
            globals.found.push((name, api.raw_get(name)?));
        }
        for name in ["http", "kv", "random"] {
            globals.found.push((name, effects.raw_get(name)?));
        }
        globals.digests()?;
        globals.codecs()?;
        globals.documents(&api.raw_get("json")?, &array)?;
        globals.ciphers()?;
        globals.keys(&self.keys, &api.raw_get("now")?, &array)?;
        globals.time()?;
        debug_assert!(globals.found.iter().all(|(name, _)| GLOBALS.contains(name)));
        Ok(globals.found)
    }
}

struct Globals<'a> {
    lua: &'a Lua,
    found: Vec<(&'static str, LuaValue)>,
}

impl Globals<'_> {
    fn add(&mut self, name: &'static str, function: Function) {
        self.found.push((name, LuaValue::Function(function)));
    }

    fn digests(&mut self) -> mlua::Result<()> {
        for (name, hash) in [
            ("hmac_sha1", Hash::Sha1),
            ("hmac_sha256", Hash::Sha256),
            ("hmac_sha512", Hash::Sha512),
        ] {
            let made =
                self.lua
                    .create_function(move |lua, (key, data): (LuaValue, LuaValue)| {
                        let key = text(&key, name, "the key")?;
                        let data = text(&data, name, "the data")?;
                        let mac = digest::hmac(hash, &key.as_bytes(), &data.as_bytes())
                            .ok_or_else(|| wrong(name, "the key is empty"))?;
                        lua.create_string(mac)
                    })?;
            self.add(name, made);
        }
        type Digest = fn(&[u8]) -> Vec<u8>;
        let plain: [(&'static str, Digest); 3] = [
            ("sha1", digest::sha1),
            ("sha256", digest::sha256),
            ("md5", digest::md5),
        ];
        for (name, hash) in plain {
            let made = self.lua.create_function(move |lua, data: LuaValue| {
                lua.create_string(hash(&text(&data, name, "the data")?.as_bytes()))
            })?;
            self.add(name, made);
        }
        let eq = self
            .lua
            .create_function(|_, (a, b): (LuaValue, LuaValue)| {
                Ok(match (&a, &b) {
                    (LuaValue::String(a), LuaValue::String(b)) => {
                        digest::eq(&a.as_bytes(), &b.as_bytes())
                    }
                    _ => false,
                })
            })?;
        self.add("eq", eq);
        Ok(())
    }

    fn codecs(&mut self) -> mlua::Result<()> {
        type Encode = fn(&[u8]) -> String;
        type Decode = fn(&[u8]) -> Option<Vec<u8>>;
        let pairs: [(&'static str, Encode, Decode); 4] = [
            ("base64", codec::base64_encode, codec::base64_decode),
            (
                "base64url",
                codec::base64url_encode,
                codec::base64url_decode,
            ),
            ("hex", codec::hex_encode, codec::hex_decode),
            ("url", codec::url_encode, codec::url_decode),
        ];
        for (name, encode, decode) in pairs {
            let encode = self.lua.create_function(move |lua, data: LuaValue| {
                lua.create_string(encode(
                    &text(&data, name, "the argument of encode")?.as_bytes(),
                ))
            })?;
            let decode = self.lua.create_function(move |lua, data: LuaValue| {
                let decoded = match &data {
                    LuaValue::String(data) => decode(&data.as_bytes()),
                    _ => None,
                };
                decoded.map(|bytes| lua.create_string(bytes)).transpose()
            })?;
            self.codec(name, encode, decode)?;
        }
        let encode = self
            .lua
            .create_function(|_, fields: Table| form_encode(&fields))?;
        let decode = self.lua.create_function(|lua, data: LuaValue| {
            let fields = match &data {
                LuaValue::String(data) => codec::form_decode(&data.as_bytes()),
                _ => None,
            };
            fields.map_or(Ok((None, None)), |fields| form_tables(lua, &fields))
        })?;
        self.codec("form", encode, decode)
    }

    fn documents(&mut self, base: &Table, array: &Table) -> mlua::Result<()> {
        let library = self.lua.create_table()?;
        for name in ["null", "array"] {
            library.raw_set(name, base.raw_get::<LuaValue>(name)?)?;
        }
        let mark = array.clone();
        library.raw_set(
            "encode",
            self.lua.create_function(move |_, value: LuaValue| {
                json::encode(&value, &mark).map_err(|error| wrong("json.encode", &error.message))
            })?,
        )?;
        let mark = array.clone();
        library.raw_set(
            "decode",
            self.lua
                .create_function(move |lua, data: LuaValue| match data {
                    LuaValue::String(data) => json::decode(lua, &mark, &data.as_bytes()),
                    _ => Ok(LuaValue::Nil),
                })?,
        )?;
        self.found.push(("json", LuaValue::Table(library)));

        let encode = self.lua.create_function(|_, element: Table| {
            let element = element_of(&element, 0)?;
            xml::encode(&element).ok_or_else(|| wrong("xml.encode", "this is no document"))
        })?;
        let decode = self.lua.create_function(|lua, data: LuaValue| {
            let element = match &data {
                LuaValue::String(data) => xml::decode(&data.as_bytes()),
                _ => None,
            };
            element
                .map(|element| element_table(lua, &element))
                .transpose()
        })?;
        self.codec("xml", encode, decode)
    }

    fn ciphers(&mut self) -> mlua::Result<()> {
        type Arguments = (LuaValue, LuaValue, LuaValue, Option<usize>);
        let encrypt = self
            .lua
            .create_function(|lua, (key, iv, data, block): Arguments| {
                let name = "aes_cbc_encrypt";
                let sealed = cipher::encrypt(
                    &text(&key, name, "the key")?.as_bytes(),
                    &text(&iv, name, "the initial vector")?.as_bytes(),
                    &text(&data, name, "the data")?.as_bytes(),
                    block.unwrap_or(16),
                );
                lua.create_string(sealed.map_err(|error| wrong(name, &error.to_string()))?)
            })?;
        self.add("aes_cbc_encrypt", encrypt);
        let decrypt = self
            .lua
            .create_function(|lua, (key, iv, data, block): Arguments| {
                let name = "aes_cbc_decrypt";
                let LuaValue::String(data) = &data else {
                    return Ok(None);
                };
                let opened = cipher::decrypt(
                    &text(&key, name, "the key")?.as_bytes(),
                    &text(&iv, name, "the initial vector")?.as_bytes(),
                    &data.as_bytes(),
                    block.unwrap_or(16),
                );
                opened
                    .map_err(|error| wrong(name, &error.to_string()))?
                    .map(|plain| lua.create_string(plain))
                    .transpose()
            })?;
        self.add("aes_cbc_decrypt", decrypt);
        Ok(())
    }

    fn keys(&mut self, sets: &KeySets, now: &Function, array: &Table) -> mlua::Result<()> {
        let sign = self
            .lua
            .create_function(|lua, (seed, data): (LuaValue, LuaValue)| {
                let name = "ed25519_sign";
                let seed = text(&seed, name, "the seed")?;
                let data = text(&data, name, "the data")?;
                let signature = keys::ed25519_sign(&seed.as_bytes(), &data.as_bytes())
                    .ok_or_else(|| wrong(name, "the seed has 32 bytes"))?;
                lua.create_string(signature)
            })?;
        self.add("ed25519_sign", sign);
        let public = self.lua.create_function(|lua, seed: LuaValue| {
            let name = "ed25519_public";
            let public = keys::ed25519_public(&text(&seed, name, "the seed")?.as_bytes())
                .ok_or_else(|| wrong(name, "the seed has 32 bytes"))?;
            lua.create_string(public)
        })?;
        self.add("ed25519_public", public);
        let verify = self.lua.create_function(
            |_, (public, data, signature): (LuaValue, LuaValue, LuaValue)| {
                Ok(match (&public, &data, &signature) {
                    (LuaValue::String(p), LuaValue::String(d), LuaValue::String(s)) => {
                        keys::ed25519_verify(&p.as_bytes(), &d.as_bytes(), &s.as_bytes())
                    }
                    _ => false,
                })
            },
        )?;
        self.add("ed25519_verify", verify);
        let sign = self
            .lua
            .create_function(|lua, (pem, data): (LuaValue, LuaValue)| {
                let name = "rsa_sign";
                let pem = text(&pem, name, "the key")?;
                let data = text(&data, name, "the data")?;
                let signature = keys::rsa_sign(&pem.to_string_lossy(), &data.as_bytes())
                    .ok_or_else(|| wrong(name, "this is no private RSA key in PEM"))?;
                lua.create_string(signature)
            })?;
        self.add("rsa_sign", sign);
        let verify = self.lua.create_function(
            |_, (pem, data, signature): (LuaValue, LuaValue, LuaValue)| {
                Ok(match (&pem, &data, &signature) {
                    (LuaValue::String(p), LuaValue::String(d), LuaValue::String(s)) => {
                        keys::rsa_verify(&p.to_string_lossy(), &d.as_bytes(), &s.as_bytes())
                    }
                    _ => false,
                })
            },
        )?;
        self.add("rsa_verify", verify);
        let (sets, now, mark) = (sets.clone(), now.clone(), array.clone());
        let verify =
            self.lua
                .create_function(move |lua, (token, options): (LuaValue, Table)| {
                    let name = "jwt_verify";
                    let field = |field: &str| -> mlua::Result<String> {
                        let value: LuaValue = options.raw_get(field)?;
                        Ok(text(&value, name, field)?.to_string_lossy())
                    };
                    let (url, issuer, audience) =
                        (field("keys")?, field("issuer")?, field("audience")?);
                    let leeway: Option<i64> = options.raw_get("leeway")?;
                    let now: f64 = now.call(())?;
                    let (LuaValue::String(token), Some(set)) = (&token, sets.get(&url)) else {
                        return Ok(LuaValue::Nil);
                    };
                    let expected = keys::Expected {
                        issuer: &issuer,
                        audience: &audience,
                        leeway: leeway.unwrap_or(300).clamp(0, 3600),
                        now: now as i64,
                    };
                    match keys::jwt_verify(&token.to_string_lossy(), &set, &expected) {
                        Some(claims) => {
                            let claims = Value::Object(claims);
                            tandem_lua::value::to_lua(lua, &mark, &claims, 32)
                                .map_err(|error| wrong(name, &error.message))
                        }
                        None => Ok(LuaValue::Nil),
                    }
                })?;
        self.add("jwt_verify", verify);
        Ok(())
    }

    fn time(&mut self) -> mlua::Result<()> {
        let library = self.lua.create_table()?;
        library.raw_set(
            "parse",
            self.lua
                .create_function(|_, (value, format): (LuaValue, Option<String>)| {
                    let LuaValue::String(value) = &value else {
                        return Ok(None);
                    };
                    let format = format.as_deref().unwrap_or("rfc3339");
                    // Instants fit a double for 285,000 years.
                    Ok(time::parse(&value.to_string_lossy(), format).map(|ms| ms as f64))
                })?,
        )?;
        library.raw_set(
            "format",
            self.lua
                .create_function(|_, (ms, format): (f64, Option<String>)| {
                    let format = format.as_deref().unwrap_or("rfc3339");
                    Ok(time::format(ms as i64, format))
                })?,
        )?;
        self.found.push(("time", LuaValue::Table(library)));
        Ok(())
    }

    fn codec(
        &mut self,
        name: &'static str,
        encode: Function,
        decode: Function,
    ) -> mlua::Result<()> {
        let library = self.lua.create_table()?;
        library.raw_set("encode", encode)?;
        library.raw_set("decode", decode)?;
        self.found.push((name, LuaValue::Table(library)));
        Ok(())
    }
}

/// A text argument; `what` names it in the error.
fn text(value: &LuaValue, function: &str, what: &str) -> mlua::Result<LuaString> {
    match value {
        LuaValue::String(text) => Ok(text.clone()),
        other => Err(wrong(
            function,
            &format!("{what} must be text, and is {}", other.type_name()),
        )),
    }
}

fn wrong(function: &str, what: &str) -> mlua::Error {
    mlua::Error::runtime(format!("{function}: {what}"))
}

/// A map, in the order of its names, or a list of `{name, value}`.
fn form_encode(fields: &Table) -> mlua::Result<String> {
    let scalar = |value: &LuaValue| -> mlua::Result<Vec<u8>> {
        Ok(match value {
            LuaValue::String(text) => text.as_bytes().to_vec(),
            LuaValue::Integer(int) => int.to_string().into_bytes(),
            LuaValue::Number(number) => number.to_string().into_bytes(),
            LuaValue::Boolean(flag) => flag.to_string().into_bytes(),
            other => {
                let text = format!(
                    "a field must be text, a number or a boolean, and is {}",
                    other.type_name()
                );
                return Err(wrong("form.encode", &text));
            }
        })
    };
    let mut pairs: codec::Fields = Vec::new();
    if fields.raw_len() > 0 {
        for pair in fields.sequence_values::<Table>() {
            let pair = pair?;
            pairs.push((scalar(&pair.raw_get(1)?)?, scalar(&pair.raw_get(2)?)?));
        }
    } else {
        for pair in fields.pairs::<LuaValue, LuaValue>() {
            let (name, value) = pair?;
            pairs.push((scalar(&name)?, scalar(&value)?));
        }
        pairs.sort();
    }
    Ok(codec::form_encode(pairs))
}

fn form_tables(lua: &Lua, fields: &codec::Fields) -> mlua::Result<(Option<Table>, Option<Table>)> {
    let map = lua.create_table()?;
    let pairs = lua.create_table()?;
    for (place, (name, value)) in fields.iter().enumerate() {
        let (name, value) = (lua.create_string(name)?, lua.create_string(value)?);
        if map.raw_get::<LuaValue>(&name)?.is_nil() {
            map.raw_set(&name, &value)?;
        }
        pairs.raw_seti(place + 1, lua.create_sequence_from([name, value])?)?;
    }
    Ok((Some(map), Some(pairs)))
}

fn element_table(lua: &Lua, element: &Element) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("name", element.name.as_str())?;
    table.raw_set("text", element.text.as_str())?;
    let attrs = lua.create_table()?;
    for (name, value) in &element.attrs {
        attrs.raw_set(name.as_str(), value.as_str())?;
    }
    table.raw_set("attrs", attrs)?;
    let children = lua.create_table()?;
    for (place, child) in element.children.iter().enumerate() {
        children.raw_seti(place + 1, element_table(lua, child)?)?;
    }
    table.raw_set("children", children)?;
    Ok(table)
}

fn element_of(table: &Table, depth: usize) -> mlua::Result<Element> {
    // The writer has the same bound; here it ends a table that holds itself.
    if depth > 64 {
        return Err(wrong("xml.encode", "the elements are nested too deeply"));
    }
    let field = |name: &str| -> mlua::Result<Option<String>> { table.raw_get(name) };
    let mut element = Element {
        name: field("name")?.unwrap_or_default(),
        text: field("text")?.unwrap_or_default(),
        ..Element::default()
    };
    if let Some(attrs) = table.raw_get::<Option<Table>>("attrs")? {
        for pair in attrs.pairs::<String, String>() {
            element.attrs.push(pair?);
        }
        element.attrs.sort();
    }
    if let Some(children) = table.raw_get::<Option<Table>>("children")? {
        for child in children.sequence_values::<Table>() {
            element.children.push(element_of(&child?, depth + 1)?);
        }
    }
    Ok(element)
}
