use exeat_core::{Authority, Cause, Integration, Refusal, Request, Scheme};
use expect_test::expect;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::Npm;
use crate::cases::config;

fn npm() -> Npm {
    Npm::new(&config().npm).unwrap()
}

fn get(host: &str, headers: &[(&'static str, &'static str)]) -> Request {
    let pairs = headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let headers: HeaderMap = pairs.collect();
    Request::new(Method::GET, Scheme::Https, Authority::parse(host, 443).unwrap(), "/left-pad", None, headers).unwrap()
}

#[test]
fn an_unknown_registry_is_told_by_its_clients() {
    let hint = |host: &str, name: &'static str, value: &'static str| npm().hint(&get(host, &[(name, value)]));
    let line = "add `registry.other.example:8443` to `hosts` under `[integrations.npm]` in exeat.toml";
    for (name, value) in [
        ("npm-command", "install"),
        ("user-agent", "npm/11.6.0 node/v20.20.2 linux x64"),
        ("user-agent", "pnpm/10.0.0 npm/? node/v20.20.2 linux x64"),
        ("user-agent", "yarn/1.22.22 npm/? node/v20.20.2 linux x64"),
    ] {
        assert_eq!(hint("registry.other.example:8443", name, value).as_deref(), Some(line), "{value}");
        assert_eq!(hint("npm.example.com", name, value), None);
    }
    assert_eq!(hint("registry.other.example", "user-agent", "curl/8.0"), None);
}

#[test]
fn the_sandbox_gets_registries_and_placeholders() {
    let files = npm().sandbox_files();
    assert_eq!(files[0].path, ".npmrc");
    expect![[r#"
        ; Written by Exeat. The token is a placeholder: the gateway puts the real one in its place.
        registry=https://npm.example.com/
        //npm.example.com/:_authToken=exeat_placeholder_npm
        //nexus.example.com:8443/repository/npm/:_authToken=exeat_placeholder_npm
        update-notifier=false
        fund=false
    "#]]
    .assert_eq(&files[0].text);
    assert_eq!(Npm::new(&super::Config::default()).unwrap().sandbox_files(), []);
}

#[test]
fn npm_shows_a_refusal_and_does_not_repeat_it() {
    let refuse = |cause: Cause| {
        let answer = npm().refuse(&get("npm.example.com", &[]), b"", &Refusal::new(cause));
        (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).unwrap())
    };
    let (status, body) = refuse(Cause::JournalUnavailable);
    assert_eq!(status, 403);
    expect![[r#"
        {"error":"exeat: the journal cannot record the request","exeat":{"code":"journal-unavailable","message":"exeat: the journal cannot record the request"}}
    "#]].assert_eq(&body);
    assert_eq!(refuse(Cause::BodyTimeout).0, 400);
    assert_eq!(refuse(Cause::Overloaded).0, 503, "waiting helps");
}

#[test]
fn settings_are_checked() {
    let config: crate::Config = toml::from_str("[npm]\nhosts = ['npm.example.com', 'a b']").unwrap();
    let error = crate::all(&config).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("`a b` in `integrations.npm.hosts` cannot be used: "), "{error}");
    assert!(toml::from_str::<crate::Config>("[npm]\nhost = []").is_err());
    assert!(toml::from_str::<crate::Config>("[nmp]\nhosts = []").is_err());
}
