//! Fields that say the same in both versions, each in its own words.

use serde_json::{Map, Value};

/// Some fields of a section.
pub(super) type Fields = Map<String, Value>;

/// The version that an object is wanted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    Older,
    Newer,
}

impl To {
    pub(super) fn other(self) -> To {
        match self {
            To::Older => To::Newer,
            To::Newer => To::Older,
        }
    }
}

/// A field, and whether a value can be its. Notes may be written by anybody, and go past the cluster's own checks.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) reads: fn(&Value) -> bool,
}

/// Fields of one section that only make sense together, in the older version's words and in the newer one's.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) section: &'static str,
    pub(super) older: &'static [Field],
    pub(super) newer: &'static [Field],
    pub(super) to_newer: fn(&Fields) -> Fields,
    /// Also takes what the older version said before, of which some may still be so.
    pub(super) to_older: fn(&Fields, &Fields) -> Fields,
}

impl Part {
    /// Puts the fields of one version in the place of those of the other, and adds these to what the object said.
    /// Returns whether they would come back as they were, without a note.
    pub(super) fn carry(
        &self, section: &mut Fields, to: To, noted: Option<&Fields>, said: &mut Map<String, Value>,
    ) -> bool {
        let was = take(section, self.fields(to.other()));
        let noted = noted.and_then(|noted| self.noted(noted, to));
        let derived = self.turn(to, &was, noted.as_ref());
        let becomes = noted.filter(|noted| self.turn(to.other(), noted, None) == was).unwrap_or(derived);
        let comes_back = self.turn(to.other(), &becomes, None) == was;
        section.extend(becomes);
        if let Value::Object(all) = said.entry(self.section).or_insert_with(|| Value::Object(Map::new())) {
            all.extend(was);
        }
        comes_back
    }

    fn fields(&self, of: To) -> &'static [Field] {
        match of {
            To::Older => self.older,
            To::Newer => self.newer,
        }
    }

    fn turn(&self, to: To, fields: &Fields, noted: Option<&Fields>) -> Fields {
        match to {
            To::Newer => (self.to_newer)(fields),
            To::Older => (self.to_older)(fields, noted.unwrap_or(&Fields::new())),
        }
    }

    /// What a note says of these fields; nothing, where it says what cannot be.
    fn noted(&self, noted: &Fields, to: To) -> Option<Fields> {
        let section = noted.get(self.section);
        let fields = self.fields(to).iter().filter_map(|field| {
            let value = section?.get(field.name)?;
            Some((field.reads)(value).then(|| (field.name.to_owned(), value.clone())))
        });
        fields.collect()
    }
}

fn take(section: &mut Fields, fields: &[Field]) -> Fields {
    fields.iter().filter_map(|field| section.shift_remove_entry(field.name)).collect()
}
