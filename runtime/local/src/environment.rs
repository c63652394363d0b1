//! The variables of a sandbox on this machine: those of the way out, and the few that come from outside.

use exeat_inside::environment::{person, way_out};
use exeat_inside::trust::BUNDLE;

use crate::rootfs::HOME;

/// Where programs are found. Go's official archive unpacks to /usr/local/go, and /usr is the host's.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const GO: &str = "/usr/local/go/bin";

/// What comes from the caller's own environment: how to write on its terminal and in which language. Nothing else
/// does, because an environment is where secrets live.
fn is_inherited(name: &str) -> bool {
    matches!(name, "TERM" | "COLORTERM" | "LANG" | "TZ") || name.starts_with("LC_")
}

/// The environment as `NAME=value`, the specification's own variables last.
pub(crate) fn variables(
    own: &[(String, String)], caller: impl Iterator<Item = (String, String)>, has_go: bool,
) -> Vec<String> {
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: &str| {
        variables.retain(|(earlier, _)| earlier != name);
        variables.push((name.to_owned(), value.to_owned()));
    };
    set("PATH", &if has_go { format!("{PATH}:{GO}") } else { PATH.to_owned() });
    for (name, value) in person("root", HOME).into_iter().chain([("SHELL", "/bin/bash")]).chain(way_out(BUNDLE)) {
        set(name, value);
    }
    for (name, value) in caller.filter(|(name, _)| is_inherited(name)) {
        set(&name, &value);
    }
    for (name, value) in own {
        set(name, value);
    }
    variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// The caller's variables that can be inherited; one that is not UTF-8 is left out.
pub(crate) fn of_the_caller() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Whether the host has Go where its archive unpacks.
pub(crate) fn has_go() -> bool {
    std::path::Path::new(GO).is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn only_terminal_and_language_come_from_outside() {
        let caller = [pair("TERM", "xterm"), pair("LC_ALL", "C"), pair("GITHUB_TOKEN", "x"), pair("PATH", "/evil")];
        let variables = variables(&[], caller.into_iter(), false);
        assert!(variables.contains(&"TERM=xterm".to_owned()) && variables.contains(&"LC_ALL=C".to_owned()));
        assert!(!variables.iter().any(|variable| variable.contains("GITHUB_TOKEN") || variable.contains("evil")));
    }

    #[test]
    fn the_specifications_own_win_and_no_name_comes_twice() {
        let own = [pair("NO_PROXY", "*"), pair("GH_TOKEN", "placeholder")];
        let variables = variables(&own, std::iter::empty(), true);
        let of = |name: &str| variables.iter().filter(|v| v.starts_with(&format!("{name}="))).collect::<Vec<_>>();
        assert_eq!(of("NO_PROXY"), ["NO_PROXY=*"]);
        assert_eq!(of("GH_TOKEN"), ["GH_TOKEN=placeholder"]);
        assert_eq!(of("PATH"), [&format!("PATH={PATH}:{GO}")]);
    }
}
