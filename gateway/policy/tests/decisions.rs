//! The golden decision table: every case of every integration against the project's own policies, profile by profile.
//! An edit to a policy shows in `policies/decisions.txt` as ticks and crosses. `UPDATE_EXPECT=1` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use exeat_core::Session;
use exeat_integrations::cases::{config, load_cases, understand};
use exeat_policy::{Policies, Source};
use expect_test::expect_file;

const PROFILES: [&str; 2] = ["coder", "stranger"];

fn policies() -> Policies {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let integrations = exeat_integrations::all(&config()).unwrap();
    let known = integrations.known.iter().chain([&integrations.any]).map(|known| &**known);
    Policies::load(Source::new(folder, known)).unwrap()
}

fn session(profile: &str) -> Session {
    Session { id: format!("{profile}-1"), profile: profile.to_owned(), user: "user".to_owned(), teams: Vec::new() }
}

#[test]
fn who_may_do_what() {
    let policies = policies();
    let integrations = exeat_integrations::all(&config()).unwrap();
    let mut table: BTreeMap<String, String> = BTreeMap::new();
    for case in load_cases().unwrap() {
        let Ok(operations) = understand(integrations.claiming(case.request.authority()), &case.request, &case.body)
        else {
            continue;
        };
        for operation in operations {
            let row = format!("{:<52} {}", operation.action.to_string(), operation.target().unwrap());
            let mut cells = String::new();
            for profile in PROFILES {
                let verdict = policies.decide(&session(profile), case.request.clone(), vec![operation.clone()]);
                let (mark, verdict) = match &verdict {
                    Ok(exeat) => ('✓', &exeat.verdicts()[0]),
                    Err(denied) => ('✗', &denied.first),
                };
                // Every case fits the schema: an error here would be a request that nobody could ever permit.
                assert!(verdict.errors.is_empty(), "{}: {:?}", case.name, verdict.errors);
                cells += &format!(" {mark} {:<32}", verdict.policies.join(" "));
            }
            table.insert(format!("{row:<110}"), cells);
        }
    }
    let heading = PROFILES.map(|profile| format!("   {profile:<32}")).concat();
    let rows: String = table.iter().map(|(row, cells)| format!("{}\n", format!("{row}{cells}").trim_end())).collect();
    let heading = format!("{:<52} {:<57}{heading}", "ACTION", "RESOURCE");
    expect_file!["../../../policies/decisions.txt"].assert_eq(&format!("{}\n{rows}", heading.trim_end()));
}

#[test]
fn no_wildcard_permit_covers_what_could_not_be_decoded() {
    let integrations = exeat_integrations::all(&config()).unwrap();
    let check = |policy: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("p.cedar"), policy).unwrap();
        let known = integrations.known.iter().chain([&integrations.any]).map(|known| &**known);
        let policies = Policies::load(Source::new(folder.path(), known)).unwrap();
        let case = load_cases().unwrap().into_iter().find(|case| case.request.path().as_str() == "/graphql").unwrap();
        let operations = vec![exeat_integrations::unclassified(&case.request)];
        policies.decide(&session("coder"), case.request, operations).is_ok()
    };
    assert!(!check("@id(\"all\") permit (principal, action, resource);"));
    assert!(!check("@id(\"group\") permit (principal, action in Exeat::Action::\"mutate\", resource);"));
    assert!(check("@id(\"named\") permit (principal, action == Exeat::Action::\"unclassified\", resource);"));
    assert!(!check(
        "@id(\"named\") permit (principal, action == Exeat::Action::\"unclassified\", resource);
         @id(\"forbid\") forbid (principal, action, resource);"
    ));
}

#[test]
fn a_policy_that_errs_denies() {
    let integrations = exeat_integrations::all(&config()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let overflow = "context.http.port + 9223372036854775807 > 0";
    let text = format!(
        "@id(\"all\") permit (principal, action, resource);
         @id(\"errs\") forbid (principal, action, resource) when {{ {overflow} }};"
    );
    std::fs::write(folder.path().join("p.cedar"), text).unwrap();
    let known = integrations.known.iter().chain([&integrations.any]).map(|known| &**known);
    let policies = Policies::load(Source::new(folder.path(), known)).unwrap();
    let case = load_cases().unwrap().into_iter().find(|case| case.name.starts_with("http")).unwrap();
    let integration = integrations.claiming(case.request.authority());
    let operations = understand(integration, &case.request, &case.body).unwrap();
    let denied = policies.decide(&session("coder"), case.request, operations).unwrap_err();
    assert_eq!(denied.first.errors, ["errs"]);
}

#[test]
fn a_broken_set_leaves_the_old_one_in_force() {
    let integrations = exeat_integrations::all(&config()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.cedar");
    std::fs::write(&file, "@id(\"all\") permit (principal, action, resource);").unwrap();
    let known = integrations.known.iter().chain([&integrations.any]).map(|known| &**known);
    let policies = Policies::load(Source::new(folder.path(), known)).unwrap();
    let before = policies.version();
    for (broken, said) in [
        ("@id(\"x\") permit (principal, action, resource)", "p.cedar:1:"),
        ("permit (principal, action, resource);", "needs a name"),
        ("@id(\"x\") permit (principal, action, resource) when { context.nothing };", "p.cedar:1:"),
        ("@id(\"x\") permit (principal, action == GitHub::Action::\"git/pusj\", resource);", "git/pus"),
        ("@id(\"x\") permit (principal == ?principal, action, resource);", "templates"),
        ("", "no policies"),
    ] {
        std::fs::write(&file, broken).unwrap();
        let error = policies.reload().unwrap_err().to_string();
        assert!(error.contains(said), "{broken}: {error}");
        assert_eq!(policies.version(), before);
    }
}
