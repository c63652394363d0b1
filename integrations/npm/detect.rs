//! Which registries this machine's own npm is set up for.

use std::process::{Command, Stdio};

use exeat_core::{Authority, Scheme};
use serde_json::Value;

/// Asks the `npm` on PATH for its settings: the registry, and those of scopes (`@acme:registry`). `None` where there
/// is no npm, or where it does not answer. What it returns can stand in `hosts` of `[integrations.npm]`.
pub fn detect() -> Option<Vec<String>> {
    let output = Command::new("npm")
        .args(["config", "list", "--json"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let settings: Value = serde_json::from_slice(&output.stdout).ok().filter(|_| output.status.success())?;
    let mut hosts = Vec::new();
    let registries = settings.as_object()?.iter().filter(|(key, _)| *key == "registry" || key.ends_with(":registry"));
    for host in registries.filter_map(|(_, url)| location(url.as_str()?)) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    Some(hosts)
}

/// `host`, `host:port` or either with a path, from a registry's URL. A registry without TLS is left out: its traffic
/// could be changed.
fn location(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?.trim_end_matches('/');
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let authority = Authority::parse(authority, Scheme::Https.default_port()).ok()?;
    Some(format!("{}{path}", authority.to_host_header(Scheme::Https)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_hosts() {
        for (url, host) in [
            ("https://npm.example.com/", Some("npm.example.com")),
            ("https://npm.example.com:443", Some("npm.example.com")),
            (
                "https://User:secret@Nexus.example.com:8443/repository/npm/",
                Some("nexus.example.com:8443/repository/npm"),
            ),
            ("http://npm.example.com/", None),
            ("nonsense", None),
        ] {
            assert_eq!(location(url).as_deref(), host, "{url}");
        }
    }
}
