//! JSON Schemas of everything a pack holds, from the table the loader validates against.

pub(crate) mod table;
