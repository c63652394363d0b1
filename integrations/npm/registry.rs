//! The registries that are configured: `[integrations.npm] hosts` of `exeat.toml`.

use exeat_core::{Authority, CanonicalPath, Entity, Request, Scheme};

use crate::manifest::ConfigError;

/// A registry: an authority, and the path below which it lies (Nexus, Artifactory and GitLab serve many at one host).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registry {
    pub(crate) authority: Authority,
    prefix: Vec<String>,
    id: String,
}

impl Registry {
    /// Reads `host`, `host:port` or either with a path: `nexus.example.com/repository/npm`.
    pub(crate) fn parse(entry: &str) -> Result<Registry, ConfigError> {
        let unusable =
            |why: String| ConfigError::Entry { setting: "integrations.npm.hosts", entry: entry.to_owned(), why };
        if entry.contains("://") {
            return Err(unusable("write it without the scheme, as `host`, `host:port` or `host/path`".to_owned()));
        }
        let (authority, path) = entry.find('/').map_or((entry, ""), |slash| entry.split_at(slash));
        let authority =
            Authority::parse(authority, Scheme::Https.default_port()).map_err(|error| unusable(error.to_string()))?;
        let path = path.trim_end_matches('/');
        let parsed = if path.is_empty() { "/" } else { path };
        let canonical = CanonicalPath::parse(parsed).map_err(|error| unusable(error.to_string()))?;
        if canonical.has_encoded_slash() {
            return Err(unusable("its path has an encoded slash".to_owned()));
        }
        let id = format!("{}{}", authority.to_host_header(Scheme::Https), canonical.as_str().trim_end_matches('/'));
        Ok(Registry { authority, prefix: canonical.segments().map(str::to_owned).collect(), id })
    }

    /// The segments below the registry's own path, where the request is for it.
    pub(crate) fn below<'r>(&self, request: &'r Request) -> Option<Vec<&'r str>> {
        let segments: Vec<&str> = request.path().segments().collect();
        let is_below = self.authority == *request.authority() && segments.len() >= self.prefix.len();
        let rest = segments.get(self.prefix.len()..)?.to_vec();
        (is_below && self.prefix.iter().zip(&segments).all(|(own, given)| own == given)).then_some(rest)
    }

    /// How long its path is: of two registries the one with the longer path counts.
    pub(crate) fn depth(&self) -> usize {
        self.prefix.len()
    }

    /// `Npm::Registry::"npm.example.com"`.
    pub(crate) fn entity(&self) -> Entity {
        Entity::new("Npm::Registry", self.id.as_str())
    }

    /// `npm.example.com/` as npm writes it behind `https://` and in the keys of `.npmrc`.
    pub(crate) fn location(&self) -> String {
        format!("{}/", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_cannot_be_used_is_named() {
        for (entry, why) in [
            ("https://npm.example.com", "without the scheme"),
            ("", "it is empty"),
            ("npm.example.com:0", "port"),
            ("user@npm.example.com", "user information"),
            ("npm.example.com/a/../b", "dot segment"),
        ] {
            let message = Registry::parse(entry).unwrap_err().to_string();
            assert!(
                message.contains(&format!("`{entry}` in `integrations.npm.hosts`")) && message.contains(why),
                "{message}"
            );
        }
        assert_eq!(Registry::parse("NPM.Example.com/").unwrap().id, "npm.example.com");
        assert_eq!(Registry::parse("npm.example.com:8443/a/b/").unwrap().location(), "npm.example.com:8443/a/b/");
    }
}
