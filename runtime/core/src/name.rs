//! Names that people give, and identifiers that are made.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name for a sandbox, a pool or a namespace: a DNS label as Kubernetes has it (RFC 1123): at most 63 lower case
/// letters, digits and hyphens, a letter or digit at both ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Something that is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a name: use at most 63 lower case letters, digits and `-`, with a letter or digit at both ends")]
pub struct BadName(String);

impl Name {
    /// Takes a text as a name.
    ///
    /// # Errors
    /// [`BadName`].
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let ends = [text.bytes().next(), text.bytes().last()];
        if text.len() <= 63 && text.bytes().all(inner) && ends.iter().all(|end| end.is_some_and(|b| b != b'-')) {
            Ok(Name(text.to_owned()))
        } else {
            Err(BadName(text.chars().take(100).collect::<String>().escape_debug().to_string()))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Name {
    /// `default`, Kubernetes' namespace for what names none.
    fn default() -> Self {
        Name("default".to_owned())
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        Name::parse(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An identifier that is never used twice: a word and random hex digits. It is a file name and a word in the journal.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String"))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Name);

        impl $name {
            /// Makes an identifier of random bytes, which come from outside.
            pub fn new(random: [u8; 6]) -> Self {
                let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
                $name(Name(format!(concat!($prefix, "-{}"), hex)))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                match text.strip_prefix(concat!($prefix, "-")) {
                    Some(hex) if hex.len() == 12 && hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
                        Ok($name(Name::parse(&text)?))
                    }
                    _ => Err(BadName(text.chars().take(100).collect::<String>().escape_debug().to_string())),
                }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

identifier!(
    /// Which sandbox, for ever: `sb-3f9a2c17b04e`. It is also its session's id in the journal.
    SandboxId,
    "sb"
);
identifier!(
    /// Which snapshot, for ever: `snap-3f9a2c17b04e`.
    SnapshotId,
    "snap"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in ["a", "7", "build-7", &"x".repeat(63)] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a/b", "..", "ä", &"x".repeat(64)] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn identifiers_are_read_back_and_nothing_else_is() {
        let id = SandboxId::new([0x3f, 0x9a, 0x2c, 0x17, 0xb0, 0x4e]);
        assert_eq!(id.as_str(), "sb-3f9a2c17b04e");
        assert_eq!(SandboxId::try_from(id.to_string()), Ok(id));
        for bad in ["sb-3f9a2c17b04", "snap-3f9a2c17b04e", "sb-3f9a2c17b04g", "../sb-3f9a2c17b04e"] {
            assert!(SandboxId::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
