//! Mistakes in policies: said with file, line and column, by `exeat up` and by `exeat policy check` alike.

use exeat_tests::Scenario;

use crate::check::{Expected, check};

const FILE: &str = "policies/test.cedar";

async fn refused(what: &str, mistake: impl Fn(&Scenario), words: &[&str]) {
    for arguments in [&["up"][..], &["policy", "check"]] {
        check(what, &mistake, arguments, Expected { code: 2, says: words }).await;
    }
}

fn write(text: &'static str) -> impl Fn(&Scenario) {
    move |scenario| std::fs::write(scenario.path(FILE), text).unwrap()
}

#[tokio::test]
async fn a_policy_that_cannot_be_put_in_force_is_named_with_its_place() {
    let cases: [(&str, &'static str, &[&str]); 7] = [
        ("broken Cedar", "@id(\"a\")\npermit (principal,\n  action resource);", &["test.cedar:3:", "unexpected"]),
        (
            "an unknown attribute",
            "@id(\"a\")\npermit (principal, action == Http::Action::\"read\", resource)\nwhen { context.http.nothing == 1 };",
            &["test.cedar:3:", "nothing"],
        ),
        (
            "an unknown action",
            "@id(\"a\")\npermit (principal, action == GitHub::Action::\"git/pusch\", resource);",
            &["test.cedar:", "git/pusch"],
        ),
        (
            "an unknown entity type",
            "@id(\"a\")\npermit (principal in Exeat::Profil::\"coder\", action, resource);",
            &["test.cedar:", "Exeat::Profil"],
        ),
        (
            "a comparison of two types",
            "@id(\"a\")\npermit (principal, action == Http::Action::\"read\", resource)\nwhen { context.http.port == \"443\" };",
            &["test.cedar:3:"],
        ),
        ("a policy without an id", "permit (principal, action, resource);", &["test.cedar", "@id(", "permit"]),
        ("a template", "@id(\"a\")\npermit (principal == ?principal, action, resource);", &["test.cedar", "template"]),
    ];
    for (what, text, words) in cases {
        refused(what, write(text), words).await;
    }
}

#[tokio::test]
async fn an_id_that_is_given_twice_is_named_with_both_files() {
    let twice = "@id(\"test/read\") permit (principal, action, resource);";
    let mistake = |scenario: &Scenario| std::fs::write(scenario.path("policies/zwei.cedar"), twice).unwrap();
    refused("two files", mistake, &["`test/read` is given twice", "test.cedar", "zwei.cedar"]).await;
}

#[tokio::test]
async fn a_folder_without_policies_is_refused() {
    let empty = |scenario: &Scenario| std::fs::remove_file(scenario.path(FILE)).unwrap();
    refused("an empty folder", empty, &["policies", "`*.cedar`", "exeat init"]).await;
    let gone = |scenario: &Scenario| std::fs::remove_dir_all(scenario.path("policies")).unwrap();
    refused("no folder", gone, &["policies", "cannot be read"]).await;
}

/// It would deny everything without saying so, just as an empty folder would.
#[tokio::test]
async fn files_without_a_policy_are_refused() {
    refused("a file without a policy", write("// Nothing yet.\n"), &["polic"]).await;
}
