//! Namespaces with objects that are right, wrong and made right again.

use std::path::Path;
use std::sync::Arc;

use exeat_api::EgressPolicySpec;
use exeat_core::Cause;
use exeat_policy::{Policies, Source};

use super::{Evaluated, PolicyFacts, Sets, Verdict, evaluate};
use crate::facts::Key;

const READ: &str = "@id(\"read\") permit (principal, action in Exeat::Action::\"read\", resource);";
const WRITE: &str = "@id(\"write\") permit (principal, action in Exeat::Action::\"mutate\", resource);";
const FORBID: &str = "@id(\"stop\") forbid (principal, action, resource);";
const WRONG: &str = "@id(\"wrong\")\npermit (principal, action == Nothing::Action::\"x\", resource);";

/// The project's own folder of base policies.
fn base() -> (Source, Arc<Policies>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/base");
    let integrations = exeat_integrations::all(&exeat_integrations::Config::default()).unwrap();
    let known = integrations.known.iter().chain([&integrations.any]).map(|known| &**known);
    let source = Source::new(folder, known).read().unwrap();
    let policies = Arc::new(Policies::load(source.with([])).unwrap());
    (source, policies)
}

fn object(name: &str, profiles: &[&str], cedar: &str) -> (Key, PolicyFacts) {
    let profiles = profiles.iter().map(|profile| (*profile).to_owned()).collect();
    let spec = EgressPolicySpec { profiles, cedar: cedar.to_owned() };
    (Key::new("team-a", name), PolicyFacts { uid: format!("{name}-uid"), generation: 1, spec })
}

struct Namespace {
    source: Source,
    base: Arc<Policies>,
    sets: Sets,
}

impl Namespace {
    fn new() -> Self {
        let (source, base) = base();
        Namespace { source, sets: Sets::default(), base }
    }

    fn read(&mut self, objects: &[(Key, PolicyFacts)]) -> Vec<Verdict> {
        let Evaluated { sets, verdicts } = evaluate(&self.source, &self.base, objects, &self.sets);
        self.sets = sets;
        verdicts
    }

    fn judging(&self, profile: &str) -> Result<Arc<Policies>, Cause> {
        self.sets.of(profile).unwrap().policies()
    }
}

fn said(verdict: &Verdict) -> &str {
    verdict.accepted.as_ref().unwrap_err()
}

#[test]
fn a_profile_is_judged_by_the_folder_and_by_what_is_for_it() {
    let mut namespace = Namespace::new();
    let base = namespace.base.count();
    let verdicts = namespace.read(&[
        object("all", &[], FORBID),
        object("coders", &["coder"], READ),
        object("writers", &["coder", "writer"], WRITE),
    ]);
    for (profile, count) in [("coder", 3), ("writer", 2), ("anybody", 1)] {
        assert_eq!(namespace.judging(profile).unwrap().count(), base + count, "{profile}");
    }
    assert_eq!(verdicts.iter().map(|verdict| verdict.policies).collect::<Vec<_>>(), [Some(1); 3]);
    let version = |profile| Ok(namespace.judging(profile).unwrap().version().to_string());
    assert_eq!(verdicts[1].accepted, version("coder"));
    assert_ne!(version("coder"), version("writer"));
    // Without an object, the folder is all.
    namespace.read(&[]);
    assert!(Arc::ptr_eq(&namespace.judging("coder").unwrap(), &namespace.base));
}

#[test]
fn what_is_not_valid_leaves_what_was_in_force_and_is_named_by_line_and_column() {
    let mut namespace = Namespace::new();
    namespace.read(&[object("agents", &["coder"], READ), object("writers", &["writer"], WRITE)]);
    let before = namespace.judging("coder").unwrap();
    let verdicts = namespace.read(&[object("agents", &["coder"], WRONG), object("writers", &["writer"], WRITE)]);
    assert!(Arc::ptr_eq(&namespace.judging("coder").unwrap(), &before));
    assert!(said(&verdicts[0]).starts_with("EgressPolicy team-a/agents:2:"), "{}", said(&verdicts[0]));
    assert!(verdicts[1].accepted.is_ok());
    // The other object of the same profile is right, and yet not in force.
    let verdicts = namespace.read(&[object("agents", &["coder"], WRONG), object("more", &["coder"], WRITE)]);
    assert!(
        said(&verdicts[1])
            .starts_with("the policies for profile `coder` are not in force: EgressPolicy team-a/agents:2:")
    );
    assert_eq!(verdicts[1].policies, Some(1));
}

#[test]
fn where_nothing_valid_was_there_yet_nothing_leaves() {
    let mut namespace = Namespace::new();
    namespace.read(&[object("agents", &["coder"], WRONG), object("all", &[], FORBID)]);
    match namespace.judging("coder") {
        Err(Cause::PoliciesUnusable(why)) => assert!(why.contains("EgressPolicy team-a/agents"), "{why}"),
        _ => panic!("a set without its forbid would permit"),
    }
    assert!(namespace.judging("writer").is_ok());
    namespace.read(&[object("agents", &["coder"], READ), object("all", &[], FORBID)]);
    assert!(namespace.judging("coder").is_ok());
}

#[test]
fn a_profile_that_is_named_for_the_first_time_was_judged_as_all_others_were() {
    let mut namespace = Namespace::new();
    namespace.read(&[object("all", &[], FORBID)]);
    let before = namespace.judging("coder").unwrap();
    namespace.read(&[object("all", &[], FORBID), object("coders", &["coder"], WRONG)]);
    assert!(Arc::ptr_eq(&namespace.judging("coder").unwrap(), &before));
}

#[test]
fn an_id_that_is_given_twice_names_both() {
    let mut namespace = Namespace::new();
    let verdicts = namespace.read(&[object("one", &["coder"], READ), object("two", &[], READ)]);
    for verdict in &verdicts {
        let said = said(verdict);
        assert!(said.contains("`read` is given twice"), "{said}");
        assert!(said.contains("EgressPolicy team-a/one") && said.contains("EgressPolicy team-a/two"), "{said}");
    }
    // Of two profiles, they never meet.
    let verdicts = namespace.read(&[object("one", &["coder"], READ), object("two", &["writer"], READ)]);
    assert!(verdicts.iter().all(|verdict| verdict.accepted.is_ok()));
    // What the folder has cannot be taken by an object.
    let taken = "@id(\"base/no-admin\") permit (principal, action, resource);";
    let verdicts = namespace.read(&[object("one", &[], taken)]);
    assert!(said(&verdicts[0]).contains("base.cedar"), "{}", said(&verdicts[0]));
}
