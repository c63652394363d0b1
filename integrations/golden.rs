//! Runs the files of cases: what each request means must be what stands below it.

use std::fmt::Write;

use exeat_core::{Entity, Operation, Value};
use expect_test::{ExpectFile, expect_file};

use crate::cases::{Written, config, load_cases, read, understand};
use crate::{all, manifest};

fn check(text: &str, file: ExpectFile) {
    let introduction = text.split("### ").next().unwrap_or_default();
    let cases = read(text).unwrap();
    let rendered = cases.iter().map(render).collect::<String>();
    file.assert_eq(&format!("{introduction}{}", rendered.trim_start_matches('\n')));
}

fn render(case: &Written<'_>) -> String {
    format!("\n### {}\n{}---\n{}", case.name, case.text, meaning(case))
}

fn meaning(case: &Written<'_>) -> String {
    let request = match &case.request {
        Ok(request) => request,
        Err(malformed) => return format!("no canonical form: {malformed}\n"),
    };
    let integrations = all(&config()).unwrap();
    match understand(integrations.claiming(request.authority()), request, &case.body) {
        Ok(operations) => operations.iter().map(operation).collect(),
        Err(unreadable) => format!("unreadable ({}): {unreadable}\n", unreadable.status.as_u16()),
    }
}

fn operation(operation: &Operation) -> String {
    let group = operation.action.group.map(|group| format!(" ({})", group.as_str())).unwrap_or_default();
    let mut text = format!("{}{group}\n", operation.action);
    for (at, entity) in operation.resource.iter().enumerate() {
        let preposition = if at == 0 { "on" } else { "in" };
        let _ = writeln!(text, "  {preposition} {}{}", entity.name, attributes(entity));
    }
    for (name, value) in &operation.context {
        let _ = writeln!(text, "  {name}: {}", literal(value));
    }
    text
}

fn attributes(entity: &Entity) -> String {
    let pairs: Vec<_> = entity.attributes.iter().map(|(name, value)| format!("{name}: {}", literal(value))).collect();
    if pairs.is_empty() { String::new() } else { format!(" {{ {} }}", pairs.join(", ")) }
}

fn literal(value: &Value) -> String {
    serde_json::to_string(value).unwrap()
}

#[test]
fn github() {
    check(include_str!("github/cases.txt"), expect_file!["github/cases.txt"]);
}

#[test]
fn npm() {
    check(include_str!("npm/cases.txt"), expect_file!["npm/cases.txt"]);
}

#[test]
fn http() {
    check(include_str!("http/cases.txt"), expect_file!["http/cases.txt"]);
}

#[test]
fn cases_have_names_of_their_own() {
    let mut names: Vec<String> = load_cases().unwrap().into_iter().map(|case| case.name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert!(count > 100 && names.len() == count);
}

/// Every action of a manifest stands in the schema beside it, in the group that the manifest gives it, and nothing
/// else does.
#[test]
fn manifests_and_schemas_agree() {
    let folders = [
        (&crate::github::MANIFEST, include_str!("github/schema.cedarschema"), "  // Generated below"),
        (&crate::npm::MANIFEST, include_str!("npm/schema.cedarschema"), "\u{0}"),
        (&crate::http::MANIFEST, include_str!("http/schema.cedarschema"), "\u{0}"),
    ];
    for (parsed, schema, end) in folders {
        let manifest: &manifest::Manifest = parsed.as_ref().unwrap();
        let written = schema.split(end).next().unwrap_or_default();
        let mut declared: Vec<(String, String)> = declarations(written);
        declared.sort();
        let actions = manifest.actions.iter().map(|(name, facts)| (name.clone(), facts.group.clone()));
        assert_eq!(declared, actions.collect::<Vec<_>>(), "{}", manifest.name);
        assert!(schema.contains(&format!("namespace {} {{", manifest.namespace)));
        for resource in manifest.resources.keys().filter(|name| !name.contains("::")) {
            assert!(schema.contains(&format!("entity {resource}")), "{resource}");
        }
    }
}

/// `action "a", "b" in [Exeat::Action::"group"] appliesTo …`
fn declarations(schema: &str) -> Vec<(String, String)> {
    let code: String =
        schema.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut declared = Vec::new();
    for statement in code.split("  action ").skip(1) {
        let (names, rest) = statement.split_once(" in [Exeat::Action::\"").unwrap();
        let (group, _) = rest.split_once('"').unwrap();
        declared.extend(names.split(',').map(|name| (name.trim().trim_matches('"').to_owned(), group.to_owned())));
    }
    declared
}
