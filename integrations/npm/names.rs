//! Package names, by npm's own rules (validate-npm-package-name), and the entities that they become.

use exeat_core::{Entity, Unreadable};

/// A package's name: `@acme/ui` or `left-pad`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// The whole name.
    pub(crate) name: String,
    /// `@acme`, or empty.
    pub(crate) scope: String,
}

impl Package {
    /// Reads a whole name. Cases are kept: an old `JSONStream` is another package than `jsonstream`.
    pub(crate) fn parse(name: &str) -> Option<Package> {
        let (scope, bare) = match name.strip_prefix('@') {
            Some(rest) => rest.split_once('/').map(|(scope, bare)| (Some(scope), bare))?,
            None => (None, name),
        };
        let reserved = matches!(name.to_ascii_lowercase().as_str(), "node_modules" | "favicon.ico");
        let proper = is_part(bare) && !bare.starts_with(['.', '_', '-']) && scope.is_none_or(is_scope);
        let scope = scope.map(|scope| format!("@{scope}")).unwrap_or_default();
        (proper && !reserved && name.len() <= 214).then(|| Package { name: name.to_owned(), scope })
    }

    /// Takes a name from the beginning of a path. `/@scope%2Fname` is one decoded segment, `/@scope/name` are two,
    /// and both mean the same package.
    pub(crate) fn take<'s>(segments: &'s [&'s str]) -> Option<(Package, &'s [&'s str])> {
        let (first, rest) = segments.split_first()?;
        match rest.split_first() {
            Some((bare, rest)) if first.starts_with('@') && !first.contains('/') => {
                Package::parse(&format!("{first}/{bare}")).map(|package| (package, rest))
            }
            _ => Package::parse(first).map(|package| (package, rest)),
        }
    }

    /// The name without its scope.
    pub(crate) fn bare(&self) -> &str {
        self.name.strip_prefix(self.scope.as_str()).map_or(&self.name, |bare| bare.trim_start_matches('/'))
    }

    /// The package, and its scope where it has one.
    pub(crate) fn lineage(&self) -> Vec<Entity> {
        let package = Entity::new("Npm::Package", self.name.as_str())
            .with("name", self.name.as_str())
            .with("scope", self.scope.as_str());
        let scope = Some(&self.scope).filter(|scope| !scope.is_empty()).map(|scope| scope_entity(scope));
        std::iter::once(package).chain(scope).collect()
    }

    /// Refuses what no package is published as today: a registry that does not tell cases apart would take it for
    /// another.
    pub(crate) fn require_writable(&self) -> Result<(), Unreadable> {
        let odd = |c: char| c.is_ascii_uppercase() || "~'!()*".contains(c);
        match self.name.contains(odd) {
            true => Err(Unreadable::malformed(format!("`{}` has letters that npm takes in no new name", self.name))),
            false => Ok(()),
        }
    }
}

/// `@acme` for the organization or scope `acme`.
pub(crate) fn scope_of(organization: &str) -> Option<Entity> {
    let bare = organization.strip_prefix('@').unwrap_or(organization);
    is_scope(bare).then(|| scope_entity(&format!("@{bare}")))
}

fn scope_entity(scope: &str) -> Entity {
    Entity::new("Npm::Scope", scope)
}

/// Scopes are accounts, which never had upper-case letters.
fn is_scope(scope: &str) -> bool {
    is_part(scope) && !scope.contains(|c: char| c.is_ascii_uppercase())
}

/// What JavaScript's `encodeURIComponent` leaves as it is.
fn is_part(part: &str) -> bool {
    !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.!~*'()".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_a_path_mean_one_package() {
        let expected = Package { name: "@acme/ui".to_owned(), scope: "@acme".to_owned() };
        assert_eq!(Package::take(&["@acme/ui", "1.0.0"]), Some((expected.clone(), &["1.0.0"][..])));
        assert_eq!(Package::take(&["@acme", "ui", "1.0.0"]), Some((expected.clone(), &["1.0.0"][..])));
        assert_eq!(expected.bare(), "ui");
        assert_eq!(Package::parse("left-pad").map(|package| package.bare().to_owned()).as_deref(), Some("left-pad"));
    }

    #[test]
    fn what_npm_takes_for_no_name_is_none() {
        for name in [
            "",
            ".a",
            "_a",
            "-",
            "-a",
            "a/b",
            "@a",
            "@a/",
            "@/a",
            "@a/b/c",
            "@a/.b",
            "@A/b",
            "a b",
            "é",
            "node_modules",
            "a%2fb",
            "a@1",
        ] {
            assert_eq!(Package::parse(name), None, "{name}");
        }
        for name in ["JSONStream", "a", "@a/b", "a.b_c-d~e", "0", "@a-b/c.d"] {
            assert!(Package::parse(name).is_some(), "{name}");
        }
    }
}
