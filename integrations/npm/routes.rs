//! What a path of a registry means, before its body is looked at.

use exeat_core::Entity;

use super::names::{Package, scope_of};

/// The meaning of a method and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// An action on a resource: nothing more to read.
    Plain(&'static str, Target),
    /// `PUT /:package` and its like, where the body decides. `revised` is the form that names a revision.
    Document { package: Package, revised: bool },
    /// A dist-tag that is moved to the version in the body.
    MoveTag { package: Package, tag: String },
    /// A dist-tag that is removed.
    RemoveTag { package: Package, tag: String },
}

/// What a route acts on, in the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The registry itself.
    Registry,
    /// A scope or organization.
    Scope(Entity),
    /// A package.
    Package(Package),
}

/// Finds the route; `None` for what is not known. HEAD counts as GET.
pub(crate) fn route(method: &str, segments: &[&str]) -> Option<Route> {
    let method = if method == "HEAD" { "GET" } else { method };
    match segments {
        [] if method == "GET" => on_registry("read"),
        ["-", "package", rest @ ..] => package_settings(method, rest),
        ["-", "npm", "v1", rest @ ..] => npm_v1(method, rest),
        ["-", "org" | "team", ..] => organization(method, &segments[1..]),
        ["-", "stage", rest @ ..] => stage(method, rest),
        ["-", rest @ ..] => account(method, rest),
        // GitHub Packages serves tarballs so.
        ["download", rest @ ..] if method == "GET" && rest.len() > 1 => {
            let (package, rest) = Package::take(rest)?;
            (rest.len() == 2).then_some(Route::Plain("read", Target::Package(package)))
        }
        _ => document(method, segments),
    }
}

/// `/:package…`
fn document(method: &str, segments: &[&str]) -> Option<Route> {
    let (package, rest) = Package::take(segments)?;
    match (method, rest) {
        ("GET", []) => on_package("read", package),
        ("GET", [version]) if is_word(version) => on_package("read", package),
        ("GET", ["-", file @ ..]) if is_tarball(&package, file) => on_package("read", package),
        ("PUT", []) => Some(Route::Document { package, revised: false }),
        ("PUT", ["-rev", _]) => Some(Route::Document { package, revised: true }),
        ("DELETE", [] | ["-rev", _]) => on_package("unpublish", package),
        ("DELETE", ["-", file @ .., "-rev", _]) if is_tarball(&package, file) => on_package("unpublish", package),
        _ => None,
    }
}

/// `/-/package/:package/…`
fn package_settings(method: &str, segments: &[&str]) -> Option<Route> {
    let (package, rest) = Package::take(segments)?;
    match (method, rest) {
        ("GET", ["dist-tags" | "access" | "visibility" | "collaborators" | "trust"]) => on_package("read", package),
        ("GET", ["dist-tags", tag]) if is_word(tag) => on_package("read", package),
        ("PUT" | "POST", ["dist-tags", tag]) if is_word(tag) => {
            Some(Route::MoveTag { package, tag: (*tag).to_owned() })
        }
        ("DELETE", ["dist-tags", tag]) if is_word(tag) => Some(Route::RemoveTag { package, tag: (*tag).to_owned() }),
        ("PUT" | "POST", ["access" | "trust"]) | ("PUT" | "DELETE", ["trust", _]) => on_package("access", package),
        _ => None,
    }
}

/// `/-/npm/v1/…`
fn npm_v1(method: &str, segments: &[&str]) -> Option<Route> {
    match (method, segments) {
        ("GET", ["keys" | "user" | "hooks"] | ["hooks", "hook", _]) => on_registry("read"),
        ("POST", ["security", "audits"] | ["security", "audits", "quick"] | ["security", "advisories", "bulk"]) => {
            on_registry("read")
        }
        ("GET", ["attestations", name @ ..]) => {
            let joined = name.join("/");
            let (name, version) = joined.rsplit_once('@')?;
            is_word(version).then_some(Route::Plain("read", Target::Package(Package::parse(name)?)))
        }
        ("POST", ["user"]) => on_registry("profile"),
        (_, ["tokens", ..]) => on_registry("token"),
        ("POST", ["oidc", "token", "exchange", "package", name @ ..]) => {
            let (package, rest) = Package::take(name)?;
            rest.is_empty().then_some(Route::Plain("token", Target::Package(package)))
        }
        ("POST" | "PUT" | "DELETE", ["hooks", ..]) => on_registry("hooks"),
        _ => None,
    }
}

/// `/-/org/…` and `/-/team/…`
fn organization(method: &str, segments: &[&str]) -> Option<Route> {
    let scope = |name: &str| scope_of(name).map(Target::Scope);
    let (action, organization) = match (method, segments) {
        ("GET", ["org", name, "user" | "team" | "package"]) | ("GET", ["team", name, _, "user" | "package"]) => {
            ("read", name)
        }
        ("PUT" | "DELETE", ["org", name, "user"]) => ("org", name),
        ("PUT", ["org", name, "team"]) | ("DELETE", ["team", name, _]) => ("team", name),
        ("PUT" | "DELETE", ["team", name, _, "user"]) => ("team", name),
        ("PUT" | "DELETE", ["team", name, _, "package"]) => ("access", name),
        _ => return None,
    };
    Some(Route::Plain(action, scope(organization)?))
}

/// `/-/stage/…`: versions that wait for approval at the registry.
fn stage(method: &str, segments: &[&str]) -> Option<Route> {
    match (method, segments) {
        ("POST", ["package", name @ ..]) => {
            let (package, rest) = Package::take(name)?;
            rest.is_empty().then_some(Route::Document { package, revised: false })
        }
        ("GET", [] | [_] | [_, "tarball"]) => on_registry("read"),
        ("POST", [_, "approve"]) | ("DELETE", [_]) => on_registry("stage"),
        _ => None,
    }
}

/// The rest of `/-/…`: the registry as a whole, and the client's own account.
fn account(method: &str, segments: &[&str]) -> Option<Route> {
    match (method, segments) {
        ("GET", ["ping" | "whoami" | "all"] | ["v1", "search"] | ["_view", _]) => on_registry("read"),
        ("GET", ["user", _] | ["user", _, "package"]) => on_registry("read"),
        ("POST", ["v1", "login"]) | ("GET", ["v1", "done"]) => on_registry("login"),
        ("DELETE", ["user", "token", _]) => on_registry("token"),
        ("PUT", ["user", user, ..]) if user.starts_with("org.couchdb.user:") => on_registry("login"),
        _ => None,
    }
}

fn on_registry(action: &'static str) -> Option<Route> {
    Some(Route::Plain(action, Target::Registry))
}

fn on_package(action: &'static str, package: Package) -> Option<Route> {
    Some(Route::Plain(action, Target::Package(package)))
}

/// A version, range or tag: anything without a slash that is no keyword of the paths.
fn is_word(text: &str) -> bool {
    !text.contains('/') && !text.starts_with('-')
}

/// `ui-1.2.3.tgz`, or `@acme/ui-1.2.3.tgz` as npm names it when it publishes; of this package.
fn is_tarball(package: &Package, file: &[&str]) -> bool {
    let file = file.join("/");
    let bare = match file.strip_prefix('@').and_then(|_| file.split_once('/')) {
        Some((scope, bare)) if scope == package.scope => bare,
        Some(_) => return false,
        None => &file,
    };
    let version = bare.strip_prefix(package.bare()).and_then(|rest| rest.strip_prefix('-'));
    version.is_some_and(|rest| is_word(rest) && rest.ends_with(".tgz"))
}
