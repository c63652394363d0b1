//! What the other version said of an object, as an annotation on it.

use serde_json::{Map, Value};

/// An annotation, and how it says what it says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Note {
    /// Fields in their sections, as JSON: `{"spec":{"replicas":1}}`.
    Fields(&'static str),
    /// One field of `spec`, as its text.
    Text(&'static str, &'static str),
}

impl Note {
    fn key(self) -> &'static str {
        match self {
            Note::Fields(key) | Note::Text(key, _) => key,
        }
    }
}

/// What is noted, and no longer is. A text that says nothing is no note.
pub(super) fn take(metadata: &mut Map<String, Value>, note: Note) -> Option<Map<String, Value>> {
    let annotations = metadata.get_mut("annotations")?.as_object_mut()?;
    let text = annotations.shift_remove(note.key())?;
    if annotations.is_empty() {
        metadata.shift_remove("annotations");
    }
    match note {
        Note::Fields(_) => serde_json::from_str(text.as_str()?).ok(),
        Note::Text(_, field) => Some([("spec".to_owned(), section(field, text))].into_iter().collect()),
    }
}

/// Notes what an object said.
pub(super) fn put(metadata: &mut Map<String, Value>, note: Note, said: Map<String, Value>) {
    let text = match note {
        Note::Fields(_) => Value::Object(said).to_string(),
        Note::Text(_, field) => match said.get("spec").and_then(|spec| spec[field].as_str()) {
            Some(text) => text.to_owned(),
            None => return,
        },
    };
    let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    if !annotations.is_object() {
        *annotations = Value::Object(Map::new());
    }
    annotations[note.key()] = text.into();
}

fn section(field: &str, value: Value) -> Value {
    Value::Object([(field.to_owned(), value)].into_iter().collect())
}
