//! Names of accounts, repositories and refs, and the entities that they become.

use exeat_core::Entity;

/// The account: `GitHub::Account::"acme"`. `None` for what GitHub gives no account as a name.
///
/// GitHub does not tell the cases of ASCII letters apart, so ids are in lower case. An app's account ends in `[bot]`.
pub(crate) fn account(name: &str) -> Option<Entity> {
    let stem = name.strip_suffix("[bot]").unwrap_or(name);
    is_name(stem, "-_").then(|| Entity::new("GitHub::Account", name.to_ascii_lowercase()))
}

/// The repository and its account. A `.git` at its end is no part of the name: GitHub lets none end so.
pub(crate) fn repo(owner: &str, name: &str) -> Option<Vec<Entity>> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".git").unwrap_or(&name);
    let account = account(owner).filter(|account| !account.name.id.ends_with(']'))?;
    let proper = is_name(name, "-_.") && !name.ends_with(".git") && !matches!(name, "." | "..");
    proper.then(|| vec![Entity::new("GitHub::Repo", format!("{}/{name}", account.name.id)), account])
}

/// The ref `full`, in `repo`, in its account.
pub(crate) fn reference(repo: &[Entity], full: &str) -> Vec<Entity> {
    let within = repo.first().map(|repo| repo.name.id.as_str()).unwrap_or_default();
    let reference = Entity::new("GitHub::Ref", format!("{within}@{full}")).with("name", full);
    std::iter::once(reference).chain(repo.iter().cloned()).collect()
}

/// What belongs to no account or repository that the path names.
pub(crate) fn service() -> Entity {
    Entity::new("GitHub::Service", "github")
}

fn is_name(name: &str, punctuation: &str) -> bool {
    (1..=100).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || punctuation.contains(c))
}

/// Whether `name` is a full ref name by git's own rules (git-check-ref-format), in UTF-8.
pub(crate) fn is_ref(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("refs/") else { return false };
    let component = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    let forbidden = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    rest.split('/').all(component)
        && !name.contains(forbidden)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_for_each_repository() {
        for (owner, name) in [("Acme", "Site"), ("acme", "site.git"), ("ACME", "SITE.GIT")] {
            let lineage = repo(owner, name).unwrap();
            assert_eq!(lineage[0].name.to_string(), "GitHub::Repo::\"acme/site\"");
            assert_eq!(lineage[1].name.to_string(), "GitHub::Account::\"acme\"");
        }
        for (owner, name) in
            [("acme", ".git"), ("acme", "a.git.git"), ("a/b", "c"), ("acme", "é"), ("bot[bot]", "x"), ("", "x")]
        {
            assert_eq!(repo(owner, name), None, "{owner} {name}");
        }
    }

    #[test]
    fn refs_follow_gits_rules() {
        for name in
            ["refs/heads/main", "refs/heads/PACK", "refs/tags/v1.0", "refs/heads/ü/x@y", "refs/x", "refs/heads/-"]
        {
            assert!(is_ref(name), "{name}");
        }
        for name in [
            "HEAD",
            "heads/main",
            "refs/",
            "refs/heads/",
            "refs/heads//main",
            "refs/heads/.hidden",
            "refs/heads/a..b",
            "refs/heads/a.lock",
            "refs/heads/a.lock/b",
            "refs/heads/a.",
            "refs/heads/a b",
            "refs/heads/a\nb",
            "refs/heads/a\u{7f}",
            "refs/heads/a\u{85}",
            "refs/heads/@{0}",
            "refs/heads/*",
            "refs/heads/a\\b",
            "refs/heads/a:b",
            "Refs/heads/main",
        ] {
            assert!(!is_ref(name), "{name}");
        }
    }
}
