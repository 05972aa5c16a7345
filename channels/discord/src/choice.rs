//! What a button carries. Ids must differ within a message while two choices may mean the same, so
//! the second of them is marked, and the mark taken off when it is pressed.

use std::collections::HashSet;

use tandem_domain::Value;

/// Characters of a value; the rest of Discord's hundred is for the mark.
pub(crate) const VALUE_MAX: usize = 96;
/// Stands before the number of a value that is there already.
const MARK: &str = "~~";

/// Makes ids for the choices of one message.
#[derive(Default)]
pub(crate) struct Ids(HashSet<String>);

impl Ids {
    pub fn make(&mut self, value: &str) -> String {
        let mut number = 0;
        let mut id = match read(value) == value && !value.is_empty() {
            true => value.to_owned(),
            false => format!("{value}{MARK}0"),
        };
        while !self.0.insert(id.clone()) {
            number += 1;
            id = format!("{value}{MARK}{number}");
        }
        id
    }
}

/// The value behind an id.
pub(crate) fn read(id: &str) -> String {
    match id.rsplit_once(MARK) {
        Some((value, number))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            value.to_owned()
        }
        _ => id.to_owned(),
    }
}

/// The label of what was pressed, somewhere within a message's components.
pub(crate) fn label(component: &Value, pressed: &str) -> Option<String> {
    let text = |name: &str| component.get(name).and_then(Value::as_str);
    if [text("custom_id"), text("value")].contains(&Some(pressed))
        && let Some(label) = text("label")
    {
        return Some(label.to_owned());
    }
    ["components", "options"]
        .iter()
        .filter_map(|name| component.get(*name)?.as_array())
        .flatten()
        .find_map(|inner| label(inner, pressed))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_label_is_found_among_buttons_and_entries() {
        let row = json!({"type": 1, "components": [
            {"type": 2, "label": "Return it", "custom_id": "return"},
            {"type": 3, "custom_id": "menu", "options": [{"label": "Track it", "value": "track"}]},
        ]});
        assert_eq!(label(&row, "return").as_deref(), Some("Return it"));
        assert_eq!(label(&row, "track").as_deref(), Some("Track it"));
        assert_eq!(label(&row, "menu"), None);
    }

    proptest! {
        /// Whatever the values: ids differ, are never empty, and mean what they were made of.
        #[test]
        fn ids_differ_and_mean_their_values(
            values in prop::collection::vec("(a|b|~|0|1){0,6}", 0..25),
        ) {
            let mut ids = Ids::default();
            let made: Vec<String> = values.iter().map(|value| ids.make(value)).collect();
            let unique: HashSet<&String> = made.iter().collect();
            prop_assert_eq!(unique.len(), values.len());
            for (id, value) in made.iter().zip(&values) {
                prop_assert!(!id.is_empty());
                prop_assert_eq!(&read(id), value);
            }
        }
    }
}
