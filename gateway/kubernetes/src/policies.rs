//! The policies of a namespace, as a pure function of its objects and what was in force before.
//!
//! A set is what one profile is judged by: the gateway's own folder, and the EgressPolicies of the namespace that are for that
//! profile. Every profile that an object names has one; all others share one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exeat_api::{EgressPolicy, EgressPolicySpec, ResourceExt};
use exeat_core::{Cause, limits};
use exeat_policy::{Policies, PolicyText, Source};

use crate::facts::Key;

/// An `EgressPolicy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PolicyFacts {
    pub(crate) uid: String,
    pub(crate) generation: i64,
    pub(crate) spec: EgressPolicySpec,
}

/// Which profile of a namespace; none for all that no object names.
pub(crate) type Profile = Option<String>;

/// The sets of a namespace.
#[derive(Clone, Default)]
pub(crate) struct Sets(BTreeMap<Profile, Set>);

/// What one profile is judged by.
#[derive(Clone)]
pub(crate) struct Set {
    /// What was valid last.
    pub(crate) in_force: Option<Arc<Policies>>,
    /// What is wrong with what is there now.
    pub(crate) rejected: Option<String>,
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) key: Key,
    pub(crate) uid: String,
    pub(crate) generation: i64,
    /// How many policies it has, where they can be read.
    pub(crate) policies: Option<usize>,
    /// The version of the set that it is in force with, or why it is not.
    pub(crate) accepted: Result<String, String>,
}

/// What is known to happen to a namespace's sets.
pub(crate) struct Evaluated {
    pub(crate) sets: Sets,
    pub(crate) verdicts: Vec<Verdict>,
}

impl PolicyFacts {
    pub(crate) fn of(policy: EgressPolicy) -> Self {
        let uid = policy.uid().unwrap_or_default();
        PolicyFacts { uid, generation: policy.metadata.generation.unwrap_or_default(), spec: policy.spec }
    }
}

impl Set {
    /// What judges now.
    ///
    /// # Errors
    /// [`Cause::PoliciesUnusable`] where nothing valid has been there yet: a forbid that is left out would permit.
    pub(crate) fn policies(&self) -> Result<Arc<Policies>, Cause> {
        let why = || self.rejected.clone().unwrap_or_else(|| "they have not been read yet".to_owned());
        self.in_force.clone().ok_or_else(|| Cause::PoliciesUnusable(why()))
    }
}

impl Sets {
    /// Where a namespace has no objects.
    pub(crate) fn of_base(base: Arc<Policies>) -> Self {
        Sets(BTreeMap::from([(None, Set { in_force: Some(base), rejected: None })]))
    }

    /// What a profile is judged by.
    pub(crate) fn of(&self, profile: &str) -> Option<&Set> {
        self.0.get(&Some(profile.to_owned())).or_else(|| self.0.get(&None))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Profile, &Set)> {
        self.0.iter()
    }

    /// The same by the profile that a set is for.
    pub(crate) fn get(&self, profile: &Profile) -> Option<&Set> {
        self.0.get(profile).or_else(|| self.0.get(&None))
    }
}

/// Reads the objects of a namespace, which come in the order of their names. `base` is the folder, and what it alone makes; what
/// was in force before stays where the new is not valid.
pub(crate) fn evaluate(
    source: &Source, base: &Arc<Policies>, objects: &[(Key, PolicyFacts)], before: &Sets,
) -> Evaluated {
    let named: BTreeSet<Profile> =
        objects.iter().flat_map(|(_, object)| object.spec.profiles.iter().cloned().map(Some)).collect();
    let profiles = named.into_iter().chain([None]);
    let sets = profiles.map(|profile| {
        let texts: Vec<_> = objects.iter().filter(|(_, object)| is_for(object, &profile)).map(text).collect();
        let set = match load(source, base, texts) {
            Ok(policies) => Set { in_force: Some(policies), rejected: None },
            Err(why) => {
                let in_force = before.get(&profile).and_then(|set| set.in_force.clone());
                Set { in_force, rejected: Some(why) }
            }
        };
        (profile, set)
    });
    let sets = Sets(sets.collect());
    let verdicts = objects.iter().map(|(key, object)| judge(source, objects, &sets, key, object)).collect();
    Evaluated { sets, verdicts }
}

/// Whether an `EgressPolicy` could be put in force beside the folder and the others of its namespace, for those who ask before it is
/// stored. Returns how many policies it has.
///
/// # Errors
/// What is wrong with it, in Cedar's words, with line and column.
pub fn check_policy(source: &Source, candidate: &EgressPolicy, others: &[EgressPolicy]) -> Result<usize, String> {
    let named = |policy: &EgressPolicy| (Key::of(policy), PolicyFacts::of(policy.clone()));
    let (key, facts) = named(candidate);
    let others = others.iter().map(named).filter(|(other, _)| *other != key);
    let beside: Vec<_> = others.filter(|(_, other)| share_a_profile(&facts, other)).map(|other| text(&other)).collect();
    source.with(beside).check(&text(&(key, facts))).map_err(|error| error.to_string())
}

fn load(source: &Source, base: &Arc<Policies>, texts: Vec<PolicyText>) -> Result<Arc<Policies>, String> {
    if texts.is_empty() {
        return Ok(Arc::clone(base));
    }
    let bytes: usize = texts.iter().map(|text| text.text.len()).sum();
    if bytes > limits::TENANT_POLICY_BYTES {
        let most = limits::TENANT_POLICY_BYTES;
        return Err(format!("the policies of one namespace for one profile are {bytes} bytes, and may be {most}"));
    }
    Policies::load(source.with(texts)).map(Arc::new).map_err(|error| error.to_string())
}

/// What is to be said of one object: what is wrong with itself first, then with what it would be in force with.
fn judge(source: &Source, objects: &[(Key, PolicyFacts)], sets: &Sets, key: &Key, object: &PolicyFacts) -> Verdict {
    let beside = objects.iter().filter(|(other, facts)| other != key && share_a_profile(object, facts)).map(text);
    let own = source.with(beside).check(&text(&(key.clone(), object.clone())));
    let concerned: Vec<_> = sets.iter().filter(|(profile, _)| is_for(object, profile)).collect();
    let broken = concerned.iter().find_map(|(profile, set)| {
        let why = set.rejected.as_ref()?;
        let whose = profile.as_ref().map_or("other profiles".to_owned(), |profile| format!("profile `{profile}`"));
        Some(format!("the policies for {whose} are not in force: {why}"))
    });
    let policies = own.as_ref().ok().copied();
    let accepted = match (own, broken) {
        (Err(error), _) => Err(error.to_string()),
        (Ok(_), Some(broken)) => Err(broken),
        (Ok(_), None) => {
            let version = concerned.iter().find_map(|(_, set)| Some(set.in_force.as_ref()?.version().to_string()));
            Ok(version.unwrap_or_default())
        }
    };
    Verdict { key: key.clone(), uid: object.uid.clone(), generation: object.generation, policies, accepted }
}

fn is_for(object: &PolicyFacts, profile: &Profile) -> bool {
    let profiles = &object.spec.profiles;
    profiles.is_empty() || profile.as_ref().is_some_and(|profile| profiles.contains(profile))
}

fn share_a_profile(one: &PolicyFacts, other: &PolicyFacts) -> bool {
    let (one, other) = (&one.spec.profiles, &other.spec.profiles);
    one.is_empty() || other.is_empty() || one.iter().any(|profile| other.contains(profile))
}

/// An object's policies, under the name by which messages call it.
fn text((key, object): &(Key, PolicyFacts)) -> PolicyText {
    PolicyText { name: format!("EgressPolicy {key}"), text: object.spec.cedar.clone() }
}

#[cfg(test)]
mod tests;
