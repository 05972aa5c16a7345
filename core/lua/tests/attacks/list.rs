//! The attacks: run here against the sandbox, and end to end against a server that answers others
//! meanwhile.

use tandem_lua::ErrorKind;

use ErrorKind::{BadValue, Depth, Memory, Runtime, Timeout};
use Expect::{Harmless, Kind, Stopped};

/// What must come of an attack.
#[derive(Clone, Copy, Debug)]
pub enum Expect {
    Kind(ErrorKind),
    /// Any error at all: several limits may strike first.
    Stopped,
    /// Harmless: it returns `true`.
    Harmless,
}

/// Name, body of `function m.f(value)`, what must come of it.
pub const ATTACKS: &[(&str, &str, Expect)] = &[
    // Time.
    ("endless while", "while true do end", Kind(Timeout)),
    ("endless repeat", "repeat until false", Kind(Timeout)),
    ("endless for", "for i = 1, math.huge do end", Kind(Timeout)),
    (
        "loop that swallows its interrupt",
        "while true do pcall(function() while true do end end) end",
        Kind(Timeout),
    ),
    (
        "returns after swallowing its interrupt",
        "pcall(function() while true do end end) return true",
        Kind(Timeout),
    ),
    (
        "xpcall whose handler loops",
        "return xpcall(error, function() while true do end end)",
        Kind(Timeout),
    ),
    (
        "xpcall whose handler fails",
        "local function h() error('again') end while true do xpcall(error, h) end",
        Kind(Timeout),
    ),
    (
        "mutual recursion without end through pcall",
        "local function f() return pcall(f) end f() while true do f() end",
        Stopped,
    ),
    (
        "pathological pattern",
        "return string.find(string.rep('a', 5000), string.rep('a*', 200) .. 'b')",
        Stopped,
    ),
    (
        "pathological gsub",
        "return (string.gsub(string.rep('a', 100000), '(.-)(.-)(.-)b', '%1'))",
        Kind(Timeout),
    ),
    (
        "pathological frontier and balance",
        "return string.match(string.rep('(', 200000), '%b()%b()%b()')",
        Stopped,
    ),
    (
        "long set against a long text",
        "return string.find(string.rep('b', 2^20), '[' .. string.rep('a', 2^20) .. ']*c')",
        Stopped,
    ),
    (
        "long plain search",
        "return string.find(string.rep('a', 2^22), string.rep('a', 2^21) .. 'b', 1, true)",
        Stopped,
    ),
    (
        "long separator",
        "return #string.split(string.rep('a', 2^22), string.rep('a', 2^21) .. 'b')",
        Stopped,
    ),
    (
        "gsub callback that loops",
        "return (string.gsub('x', 'x', function() while true do end end))",
        Kind(Timeout),
    ),
    (
        "gmatch over everything, forever",
        "while true do for w in string.gmatch(string.rep('a', 1000), '') do end end",
        Kind(Timeout),
    ),
    (
        "iterator that never ends",
        "for x in function() return 1 end do end",
        Kind(Timeout),
    ),
    (
        "__iter that never ends",
        "for x in setmetatable({}, {__iter = function() return function() return 1 end end}) do end",
        Kind(Timeout),
    ),
    (
        "sort with a lying comparator",
        "local t = {} for i = 1, 5000 do t[i] = i % 7 end \
         for i = 1, 100000 do pcall(table.sort, t, function() return true end) end",
        Kind(Timeout),
    ),
    (
        "sort of long texts with the built-in comparison",
        "local a, t = string.rep('a', 2^21), {} for i = 1, 20000 do t[i] = if i % 2 == 0 then a .. 'x' else a .. 'y' end \
         table.sort(t) return true",
        Stopped,
    ),
    (
        "sort that grows its table",
        "local t = {3,2,1,5,4} table.sort(t, function(a, b) t[#t + 1] = 1 return a < b end) return true",
        Stopped,
    ),
    (
        "move of two thousand million nothings",
        "table.move({}, 1, 2^31 - 2, 2) return true",
        Stopped,
    ),
    (
        "number of eight million digits",
        "local s = string.rep('9', 2^22) for i = 1, 1000 do tonumber(s) end return true",
        Kind(Timeout),
    ),
    (
        "concat of a list of nothings",
        "return table.concat({}, ',', 1, 2^31 - 1)",
        Stopped,
    ),
    (
        "__index chain that circles",
        "local a, b = {}, {} setmetatable(a, {__index = b}) setmetatable(b, {__index = a}) return a.x",
        Stopped,
    ),
    (
        "__eq, __lt, __concat that loop",
        "local t = setmetatable({}, {__concat = function() while true do end end}) return t .. ''",
        Kind(Timeout),
    ),
    // Memory.
    ("huge rep", "return #string.rep('x', 2^30)", Kind(Memory)),
    (
        "table that grows",
        "local t = {} while true do t[#t + 1] = {} end",
        Kind(Memory),
    ),
    (
        "keys that grow",
        "local t, i = {}, 0 while true do i += 1 t['k' .. i] = i end",
        Stopped,
    ),
    (
        "text that doubles",
        "local s = 'x' while true do s ..= s end",
        Kind(Memory),
    ),
    (
        "memory errors swallowed",
        "local s = 'x' while true do pcall(function() s ..= s end) end",
        Kind(Timeout),
    ),
    (
        "huge table.create",
        "return #table.create(2^26, 1)",
        Kind(Memory),
    ),
    (
        "huge buffer",
        "return buffer.len(buffer.create(2^30))",
        Kind(Memory),
    ),
    (
        "huge format",
        "return #string.format('%' .. string.rep('9', 50) .. 'd', 1)",
        Stopped,
    ),
    (
        "huge pack",
        "return #string.pack('c2147483647', 'x')",
        Stopped,
    ),
    (
        "closures that grow",
        "local f = nil while true do local g = f f = function() return g end end",
        Kind(Memory),
    ),
    (
        "unpack of a million",
        "return select('#', table.unpack(table.create(2^20 / 2, 1)))",
        Stopped,
    ),
    (
        "concat that multiplies",
        "local t = table.create(1000, string.rep('x', 100000)) return #table.concat(t)",
        Kind(Memory),
    ),
    (
        "upper of a huge text",
        "local s = string.rep('x', 2^23) return #s:upper()",
        Kind(Memory),
    ),
    (
        "utf8.char of many",
        "return #utf8.char(table.unpack(table.create(7000, 0x10ffff))) * 1 > 0",
        Harmless,
    ),
    (
        "utf8 of broken text",
        "return utf8.len('\\xff\\xfe') == nil",
        Harmless,
    ),
    // Depth.
    (
        "deep recursion",
        "local function f() return 1 + f() end return f()",
        Kind(Depth),
    ),
    (
        "recursion in __index",
        "local t = {} setmetatable(t, {__index = function(t, k) return t[k] end}) return t.x",
        Kind(Depth),
    ),
    (
        "recursion in __tostring",
        "local t = {} setmetatable(t, {__tostring = function(t) return tostring(t) end}) return tostring(t)",
        Kind(Depth),
    ),
    (
        "recursion through sort",
        "local function f() table.sort({1,2,3}, function() f() return false end) end f()",
        Kind(Depth),
    ),
    (
        "recursion through gsub",
        "local function f() return (string.gsub('x', 'x', f)) end return f()",
        Kind(Depth),
    ),
    // Coroutines.
    (
        "coroutine that loops",
        "coroutine.wrap(function() while true do end end)()",
        Kind(Timeout),
    ),
    (
        "coroutines without number",
        "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
        Kind(Memory),
    ),
    (
        "coroutines inside coroutines",
        "local function f() coroutine.wrap(f)() end f()",
        Stopped,
    ),
    (
        "wrap that yields forever",
        "local w = coroutine.wrap(function() while true do coroutine.yield() end end) while true do w() end",
        Kind(Timeout),
    ),
    (
        "yield outside a coroutine",
        "coroutine.yield(1)",
        Kind(Runtime),
    ),
    (
        "yield across pcall, metamethod and sort",
        "local co = coroutine.wrap(function() pcall(function() table.sort({2,1}, function() coroutine.yield() end) end) return true end) return co()",
        Harmless,
    ),
    (
        "coroutine that resumes itself",
        "local co co = coroutine.create(function() return coroutine.resume(co) end) coroutine.resume(co) return true",
        Harmless,
    ),
    (
        "close of a running coroutine",
        "return pcall(coroutine.close, coroutine.running()) == false",
        Harmless,
    ),
    // Escape.
    ("os is absent", "return os == nil", Harmless),
    ("io is absent", "return io == nil", Harmless),
    ("debug is absent", "return debug == nil", Harmless),
    (
        "package is absent",
        "return package == nil and dofile == nil and loadfile == nil and load == nil",
        Harmless,
    ),
    ("loadstring is absent", "return loadstring == nil", Harmless),
    (
        "getfenv and setfenv are absent",
        "return getfenv == nil and setfenv == nil",
        Harmless,
    ),
    ("newproxy is absent", "return newproxy == nil", Harmless),
    (
        "the collector is out of reach",
        "return collectgarbage == nil and gcinfo == nil",
        Harmless,
    ),
    (
        "bytecode cannot be required",
        "return require('\\27Lua')",
        Kind(Runtime),
    ),
    (
        "require of the parent folder",
        "return require('../secrets')",
        Kind(Runtime),
    ),
    (
        "require of the parent, dressed up",
        "return require('./lib/../../secrets')",
        Kind(Runtime),
    ),
    (
        "require of a file",
        "return require('/etc/passwd')",
        Kind(Runtime),
    ),
    (
        "require of an alias",
        "return require('@self/x')",
        Kind(Runtime),
    ),
    (
        "require with a backslash",
        "return require('..\\\\secrets')",
        Kind(Runtime),
    ),
    (
        "require with a NUL",
        "return require('m\\0y')",
        Kind(Runtime),
    ),
    ("require of no text", "return require({})", Kind(Runtime)),
    // Metatables and shared tables.
    (
        "methods of strings",
        "getmetatable('').__index = nil",
        Kind(Runtime),
    ),
    (
        "metatable of strings replaced",
        "getmetatable('').__add = function() return 1 end",
        Kind(Runtime),
    ),
    (
        "metatable of the globals",
        "setmetatable(_G, {__index = function() return 1 end})",
        Kind(Runtime),
    ),
    (
        "library function replaced",
        "string.upper = function() return 'x' end",
        Kind(Runtime),
    ),
    (
        "library function replaced raw",
        "rawset(string, 'upper', 1)",
        Kind(Runtime),
    ),
    ("library cleared", "table.clear(math)", Kind(Runtime)),
    ("global written", "leak = value", Kind(Runtime)),
    (
        "global written through _G",
        "_G.leak = value",
        Kind(Runtime),
    ),
    (
        "global written raw",
        "rawset(_G, 'leak', value)",
        Kind(Runtime),
    ),
    ("host table changed", "store.get = nil", Kind(Runtime)),
    (
        "list mark changed",
        "getmetatable(json.array()).__index = function() return 1 end",
        Kind(Runtime),
    ),
    (
        "unlocking a frozen table",
        "local t = table.freeze({}) t.x = 1",
        Kind(Runtime),
    ),
    (
        "__metatable that lies",
        "local t = setmetatable({}, {__metatable = 'string', __tostring = function() return 'x' end}) return tostring(t) == 'table'",
        Harmless,
    ),
    (
        "finalizer that is never called",
        "setmetatable({}, {__gc = function() while true do end end}) return true",
        Harmless,
    ),
    (
        "weak tables",
        "local t = setmetatable({}, {__mode = 'kv'}) for i = 1, 1000 do t[{}] = {} end return true",
        Harmless,
    ),
    // Host calls where there must be none.
    (
        "http in a pure call",
        "http{url = 'http://127.0.0.1/'}",
        Kind(Runtime),
    ),
    ("store in a pure call", "store.put('k', 1)", Kind(Runtime)),
    (
        "log flood",
        "while true do log(string.rep('x', 1000)) end",
        Kind(Timeout),
    ),
    (
        "forged host call",
        "coroutine.yield({}, 'http', {url = 'http://127.0.0.1/'})",
        Kind(Runtime),
    ),
    // Errors as weapons.
    ("error that is a table", "error({1, 2})", Kind(Runtime)),
    (
        "error whose __tostring loops",
        "error(setmetatable({}, {__tostring = function() while true do end end}))",
        Kind(Runtime),
    ),
    (
        "error whose __tostring fails",
        "error(setmetatable({}, {__tostring = function() error('no') end}))",
        Kind(Runtime),
    ),
    ("error that is nil", "error(nil)", Kind(Runtime)),
    ("error that is a function", "error(print)", Kind(Runtime)),
    (
        "error that is huge",
        "error(string.rep('x', 2^22))",
        Kind(Runtime),
    ),
    (
        "error that is not text",
        "error('\\xff\\xfe\\0')",
        Kind(Runtime),
    ),
    (
        "error that pretends to be a place",
        "error('/etc/passwd:1: root', 0)",
        Kind(Runtime),
    ),
    // Results as weapons.
    (
        "result that holds itself",
        "local t = {} t.t = t return t",
        Kind(BadValue),
    ),
    (
        "result nested deeply",
        "local t = {} for i = 1, 10000 do t = {t} end return t",
        Kind(BadValue),
    ),
    (
        "result that branches",
        "local t = {1} for i = 1, 25 do t = {t, t} end return t",
        Kind(BadValue),
    ),
    (
        "result that is a function",
        "return function() end",
        Kind(BadValue),
    ),
    (
        "result that is a coroutine",
        "return coroutine.create(function() end)",
        Kind(BadValue),
    ),
    (
        "result that is a buffer",
        "return buffer.create(8)",
        Kind(BadValue),
    ),
    (
        "result of many bytes",
        "return string.rep('x', 2^22)",
        Kind(BadValue),
    ),
    (
        "result of a hundred megabytes",
        "return string.rep('x', 100 * 2^20)",
        Kind(Memory),
    ),
    (
        "result of many values",
        "return table.create(100000, 1)",
        Kind(BadValue),
    ),
    (
        "result that is not a number",
        "return 0 / 0",
        Kind(BadValue),
    ),
    (
        "result that is infinite",
        "return {n = math.huge}",
        Kind(BadValue),
    ),
    ("result that is no text", "return '\\xff'", Kind(BadValue)),
    ("keys that are tables", "return {[{}] = 1}", Kind(BadValue)),
    ("keys that are mixed", "return {1, x = 2}", Kind(BadValue)),
    (
        "keys that are fractions",
        "return {[1.5] = 1}",
        Kind(BadValue),
    ),
    ("list with holes", "return {1, nil, 3}", Kind(BadValue)),
    (
        "metamethods on the result are not run",
        "return setmetatable({x = 1}, {__index = function() while true do end end, __pairs = error, __len = error, __iter = error}).x == 1",
        Harmless,
    ),
    ("too many results", "return true, nil, 3, 4, 5", Harmless),
];
