//! From texts to a policy set that may be put in force, or a message that says where it went wrong.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{ActionConstraint, Effect, Policy, PolicyId, PolicySet, ValidationMode};
use exeat_core::{Action, Integration};
use sha2::{Digest, Sha256};

use crate::recent::Recent;
use crate::vocabulary::{Vocabulary, Words};
use crate::{LoadError, Version};

/// Where policies and the schema's fragments come from: a folder, and texts by name besides.
#[derive(Clone)]
pub struct Source {
    directory: PathBuf,
    /// The folder's files as they were once read; none where they are read anew each time.
    files: Option<Arc<[PolicyText]>>,
    /// None where the folder is all: then it may not be empty.
    texts: Option<Arc<[PolicyText]>>,
    words: Arc<Words>,
}

/// Policies that are not in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyText {
    /// What messages call it: `EgressPolicy team-a/agents`.
    pub name: String,
    /// Cedar.
    pub text: String,
}

impl Source {
    /// Every `*.cedar` file in `directory` and below it, against the shared words and one fragment of schema for each integration.
    /// What has a name that begins with a dot is passed over: editors keep their copies so, and Kubernetes its volumes.
    pub fn new<'a>(directory: impl Into<PathBuf>, integrations: impl IntoIterator<Item = &'a dyn Integration>) -> Self {
        Source { directory: directory.into(), files: None, texts: None, words: Arc::new(Words::new(integrations)) }
    }

    /// No folder, and so no policies but those that are given [`with`](Source::with) it.
    pub fn without_folder<'a>(integrations: impl IntoIterator<Item = &'a dyn Integration>) -> Self {
        Source { files: Some(Arc::default()), ..Source::new(PathBuf::new(), integrations) }
    }

    /// The same folder and the same words with these texts besides. Together they may be no policies at all.
    #[must_use]
    pub fn with(&self, texts: impl IntoIterator<Item = PolicyText>) -> Self {
        Source { texts: Some(texts.into_iter().collect()), ..self.clone() }
    }

    /// The same with the folder as it is now, whatever becomes of it.
    ///
    /// # Errors
    /// [`LoadError::Unreadable`].
    pub fn read(&self) -> Result<Self, LoadError> {
        Ok(Source { files: Some(read_files(&self.directory)?.into()), ..self.clone() })
    }

    /// The folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Checks one text more, as it would stand beside the folder and the texts, and returns how many policies it has. What is wrong
    /// with another text is not held against this one.
    ///
    /// # Errors
    /// [`LoadError`], always about this text.
    pub fn check(&self, candidate: &PolicyText) -> Result<usize, LoadError> {
        let (policies, origins) = parse_policies(std::slice::from_ref(candidate))?;
        validate(self.words.vocabulary()?, &policies, &origins)?;
        for other in &self.all()? {
            let ids = PolicySet::from_str(&other.text).map(|set| ids(&set)).unwrap_or_default();
            if let Some(id) = policies.policies().map(Policy::id).find(|id| ids.contains(id.as_ref() as &str)) {
                return Err(LoadError::duplicate(id, other, candidate));
            }
        }
        Ok(policies.num_of_policies())
    }

    /// Every text, the files first.
    fn all(&self) -> Result<Vec<PolicyText>, LoadError> {
        let mut all = match &self.files {
            Some(files) => files.to_vec(),
            None => read_files(&self.directory)?,
        };
        all.extend(self.texts.iter().flat_map(|texts| texts.iter()).cloned());
        Ok(all)
    }
}

/// A validated policy set with everything that deciding needs at hand.
pub(crate) struct Loaded {
    /// Every policy.
    pub(crate) policies: PolicySet,
    /// Every forbid, and the permits that name `unclassified` themselves.
    pub(crate) unclassified: PolicySet,
    pub(crate) version: Version,
    /// Entities under this schema; a new set begins with none.
    pub(crate) recent: Recent,
    words: Arc<Words>,
}

impl Loaded {
    pub(crate) fn read(source: &Source) -> Result<Self, LoadError> {
        let texts = source.all()?;
        let (policies, origins) = parse_policies(&texts)?;
        if policies.is_empty() && source.texts.is_none() {
            return Err(LoadError::Empty(source.directory.clone()));
        }
        validate(source.words.vocabulary()?, &policies, &origins)?;
        Ok(Loaded {
            unclassified: naming_unclassified(&policies)?,
            version: version(&source.words.fragments, &texts),
            recent: Recent::new(),
            words: Arc::clone(&source.words),
            policies,
        })
    }

    /// The words that the policies are in.
    pub(crate) fn vocabulary(&self) -> Result<&Vocabulary, String> {
        self.words.vocabulary().map_err(|error| error.to_string())
    }
}

/// The files of a folder, by name.
fn read_files(directory: &Path) -> Result<Vec<PolicyText>, LoadError> {
    let unreadable = |path: &Path, error: std::io::Error| LoadError::Unreadable(path.to_owned(), error.to_string());
    let mut folders = vec![directory.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))? {
            let entry = entry.map_err(|error| unreadable(&folder, error))?;
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "cedar") {
                let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
                files.push((path, text));
            }
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(path, text)| PolicyText { name: path.display().to_string(), text }).collect())
}

/// Policies by their `@id`, and the text that each came from.
fn parse_policies(texts: &[PolicyText]) -> Result<(PolicySet, HashMap<PolicyId, &PolicyText>), LoadError> {
    let mut all = PolicySet::new();
    let mut origins: HashMap<PolicyId, &PolicyText> = HashMap::new();
    for text in texts {
        let parsed = PolicySet::from_str(&text.text).map_err(|error| LoadError::at(&text.name, &text.text, &error))?;
        if parsed.templates().next().is_some() {
            let message = "templates (`?principal`, `?resource`) are not supported".to_owned();
            return Err(LoadError::Invalid { place: text.name.clone(), message });
        }
        for policy in parsed.policies() {
            let named = name(policy, text)?;
            if let Some(first) = origins.insert(named.id().clone(), text) {
                return Err(LoadError::duplicate(named.id(), first, text));
            }
            all.add(named).map_err(|error| LoadError::at(&text.name, &text.text, &error))?;
        }
    }
    Ok((all, origins))
}

/// Every policy has an `@id`: it is what refusals and the journal call it.
fn name(policy: &Policy, text: &PolicyText) -> Result<Policy, LoadError> {
    match policy.annotation("id") {
        Some(id) if !id.is_empty() && id.chars().all(|c| c.is_ascii_graphic()) => Ok(policy.new_id(PolicyId::new(id))),
        _ => Err(LoadError::Unnamed { place: text.name.clone(), policy: policy.to_string() }),
    }
}

fn ids(policies: &PolicySet) -> HashSet<String> {
    policies.policies().filter_map(|policy| policy.annotation("id").map(str::to_owned)).collect()
}

fn validate(
    vocabulary: &Vocabulary, policies: &PolicySet, origins: &HashMap<PolicyId, &PolicyText>,
) -> Result<(), LoadError> {
    let result = vocabulary.validator.validate(policies, ValidationMode::Strict);
    match result.validation_errors().next() {
        None => Ok(()),
        Some(error) => Err(match origins.get(error.policy_id()) {
            Some(text) => LoadError::at(&text.name, &text.text, error),
            None => LoadError::Schema(error.to_string()),
        }),
    }
}

/// The policies for actions that could not be decoded: a permit counts only if its scope names `unclassified`.
fn naming_unclassified(policies: &PolicySet) -> Result<PolicySet, LoadError> {
    let unclassified = Action::UNCLASSIFIED.entity().to_string();
    let names = |policy: &Policy| match policy.action_constraint() {
        ActionConstraint::Any => false,
        ActionConstraint::Eq(action) => action.to_string() == unclassified,
        ActionConstraint::In(actions) => actions.iter().any(|action| action.to_string() == unclassified),
    };
    let kept = policies.policies().filter(|policy| policy.effect() == Effect::Forbid || names(policy));
    PolicySet::from_policies(kept.cloned()).map_err(|error| LoadError::Schema(error.to_string()))
}

fn version(schema: &[(String, String)], texts: &[PolicyText]) -> Version {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    for (name, text) in schema {
        part(name);
        part(text);
    }
    // Where a text is from changes nothing about it: the same policies are the same version on every machine.
    texts.iter().for_each(|text| part(&text.text));
    Version(Arc::from(hex::encode(&hash.finalize()[..8])))
}

impl LoadError {
    fn duplicate(id: &PolicyId, first: &PolicyText, second: &PolicyText) -> Self {
        LoadError::Duplicate { id: id.to_string(), first: first.name.clone(), second: second.name.clone() }
    }
}
