//! Schema steps: numbered files, each applied once, in order, in a transaction of its own.
//!
//! A backend keeps the list of what was applied (version, name, checksum) in the table
//! `schema_migrations`; [`outstanding`] compares it with the steps this program knows and says
//! what is left to do, or why the database must not be touched.

/// One schema step.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// From 1, without gaps.
    pub version: u32,
    pub name: &'static str,
    pub sql: &'static str,
}

impl Migration {
    /// What is remembered of the step, so that a later edit is noticed.
    #[must_use]
    pub fn checksum(&self) -> String {
        blake3::hash(self.sql.as_bytes()).to_hex().to_string()
    }
}

/// A step that a database has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub version: u32,
    pub checksum: String,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    #[error(
        "its schema has version {found}, this program knows versions up to {known}: it was \
         written by a newer Tandem; run that one"
    )]
    Newer { found: u32, known: u32 },
    #[error("schema step {version} is not the one that was applied to it")]
    Changed { version: u32 },
    #[error("schema step {version} is missing from it, though later ones are there")]
    Gap { version: u32 },
}

/// The steps of the SQLite backend.
pub const SQLITE: &[Migration] = &[
    Migration {
        version: 1,
        name: "initial",
        sql: include_str!("sqlite/0001_initial.sql"),
    },
    Migration {
        version: 2,
        name: "channels",
        sql: include_str!("sqlite/0002_channels.sql"),
    },
    Migration {
        version: 3,
        name: "fetches",
        sql: include_str!("sqlite/0003_fetches.sql"),
    },
    Migration {
        version: 4,
        name: "changes",
        sql: include_str!("sqlite/0004_changes.sql"),
    },
];

/// What is left to apply of `known`, given what was applied, both ordered by version.
///
/// # Errors
/// [`SchemaError`] when the database is newer than the program, or not one this program's steps
/// could have made. Nothing may be written to it then.
pub fn outstanding<'a>(
    known: &'a [Migration],
    applied: &[Applied],
) -> Result<&'a [Migration], SchemaError> {
    let last = known.last().map_or(0, |step| step.version);
    if let Some(newest) = applied.iter().find(|step| step.version > last) {
        return Err(SchemaError::Newer {
            found: applied
                .last()
                .map_or(newest.version, |step| step.version.max(newest.version)),
            known: last,
        });
    }
    for (step, seen) in known.iter().zip(applied) {
        if step.version != seen.version {
            return Err(SchemaError::Gap {
                version: step.version,
            });
        }
        if step.checksum() != seen.checksum {
            return Err(SchemaError::Changed {
                version: step.version,
            });
        }
    }
    Ok(&known[applied.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: &[Migration] = &[
        Migration {
            version: 1,
            name: "a",
            sql: "A",
        },
        Migration {
            version: 2,
            name: "b",
            sql: "B",
        },
    ];

    fn seen(steps: &[Migration]) -> Vec<Applied> {
        steps
            .iter()
            .map(|step| Applied {
                version: step.version,
                checksum: step.checksum(),
            })
            .collect()
    }

    #[test]
    fn steps_not_yet_applied_are_left_to_do() {
        assert_eq!(outstanding(STEPS, &[]).unwrap().len(), 2);
        let left = outstanding(STEPS, &seen(&STEPS[..1])).unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].version, 2);
        assert!(outstanding(STEPS, &seen(STEPS)).unwrap().is_empty());
    }

    #[test]
    fn a_newer_schema_is_refused() {
        assert_eq!(
            outstanding(&STEPS[..1], &seen(STEPS)).unwrap_err(),
            SchemaError::Newer { found: 2, known: 1 }
        );
    }

    #[test]
    fn an_edited_step_is_refused() {
        let mut applied = seen(STEPS);
        applied[0].checksum = "other".into();
        assert_eq!(
            outstanding(STEPS, &applied).unwrap_err(),
            SchemaError::Changed { version: 1 }
        );
    }

    #[test]
    fn a_missing_step_is_refused() {
        assert_eq!(
            outstanding(STEPS, &seen(&STEPS[1..])).unwrap_err(),
            SchemaError::Gap { version: 1 }
        );
    }

    #[test]
    fn steps_are_numbered_without_gaps() {
        for (at, step) in (1..).zip(SQLITE) {
            assert_eq!(step.version, at);
        }
    }
}
