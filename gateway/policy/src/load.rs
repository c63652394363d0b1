//! From files to a policy set that may be put in force, or a message that says where it went wrong.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, Effect, Entity, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, Schema, SchemaFragment,
    ValidationMode, Validator,
};
use exeat_core::{Action, Integration};
use miette::Diagnostic;
use sha2::{Digest, Sha256};

use crate::Version;
use crate::recent::Recent;

/// The words that every policy shares.
const SHARED_SCHEMA: &str = include_str!("../../../policies/schema.cedarschema");

/// Where policies and the schema's fragments come from.
#[derive(Clone, Debug)]
pub struct Source {
    pub(crate) directory: PathBuf,
    /// Fragments with their names for messages.
    schema: Vec<(String, String)>,
}

impl Source {
    /// Every `*.cedar` file in `directory` and below it, against the shared words and one fragment of schema for each integration.
    pub fn new<'a>(directory: impl Into<PathBuf>, integrations: impl IntoIterator<Item = &'a dyn Integration>) -> Self {
        let shared = ("policies/schema.cedarschema".to_owned(), SHARED_SCHEMA.to_owned());
        let fragments = integrations.into_iter().map(|known| (known.name().to_owned(), known.schema().to_owned()));
        Source { directory: directory.into(), schema: std::iter::once(shared).chain(fragments).collect() }
    }

    /// The folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// A validated policy set with everything that deciding needs at hand.
pub(crate) struct Loaded {
    /// Every policy.
    pub(crate) policies: PolicySet,
    /// Every forbid, and the permits that name `unclassified` themselves.
    pub(crate) unclassified: PolicySet,
    pub(crate) schema: Schema,
    /// Each action with the groups it is in.
    pub(crate) actions: HashMap<EntityUid, Entity>,
    /// Entity types by their name, so that none is parsed on the way of a request.
    pub(crate) types: HashMap<String, EntityTypeName>,
    pub(crate) version: Version,
    /// Entities under this schema; a new set begins with none.
    pub(crate) recent: Recent,
}

impl Loaded {
    pub(crate) fn read(source: &Source) -> Result<Self, LoadError> {
        let files = read_files(&source.directory)?;
        let schema = parse_schema(&source.schema)?;
        let (policies, origins) = parse_policies(&files)?;
        if policies.is_empty() {
            return Err(LoadError::Empty(source.directory.clone()));
        }
        validate(&schema, &policies, &origins)?;
        let action_entities = schema.action_entities().map_err(|error| LoadError::Schema(error.to_string()))?;
        let types =
            schema.entity_types().chain(action_types(&schema).iter()).map(|t| (t.to_string(), t.clone())).collect();
        Ok(Loaded {
            unclassified: naming_unclassified(&policies)?,
            actions: action_entities.iter().map(|action| (action.uid(), action.clone())).collect(),
            types,
            version: version(&source.schema, &files),
            recent: Recent::new(),
            policies,
            schema,
        })
    }
}

fn action_types(schema: &Schema) -> Vec<EntityTypeName> {
    let mut types: Vec<_> = schema.actions().map(|action| action.type_name().clone()).collect();
    types.sort();
    types.dedup();
    types
}

struct File {
    path: PathBuf,
    text: String,
}

fn read_files(directory: &Path) -> Result<Vec<File>, LoadError> {
    let unreadable = |path: &Path, error: std::io::Error| LoadError::Unreadable(path.to_owned(), error.to_string());
    let mut folders = vec![directory.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, error))? {
            let path = entry.map_err(|error| unreadable(&folder, error))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "cedar") {
                let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn parse_schema(fragments: &[(String, String)]) -> Result<Schema, LoadError> {
    let fragments = fragments.iter().map(|(name, text)| {
        let parsed = SchemaFragment::from_cedarschema_str(text);
        parsed.map(|(fragment, _)| fragment).map_err(|error| LoadError::Schema(format!("{name}: {error}")))
    });
    let fragments = fragments.collect::<Result<Vec<_>, _>>()?;
    Schema::from_schema_fragments(fragments).map_err(|error| LoadError::Schema(error.to_string()))
}

/// Policies by their `@id`, and the file that each came from.
fn parse_policies(files: &[File]) -> Result<(PolicySet, HashMap<PolicyId, &File>), LoadError> {
    let mut all = PolicySet::new();
    let mut origins: HashMap<PolicyId, &File> = HashMap::new();
    for file in files {
        let parsed = PolicySet::from_str(&file.text).map_err(|error| LoadError::at(file, &error))?;
        if parsed.templates().next().is_some() {
            let message = "templates (`?principal`, `?resource`) are not supported".to_owned();
            return Err(LoadError::Invalid { place: file.path.display().to_string(), message });
        }
        for policy in parsed.policies() {
            let named = name(policy, file)?;
            if let Some(first) = origins.insert(named.id().clone(), file) {
                return Err(LoadError::Duplicate {
                    id: named.id().to_string(),
                    first: first.path.clone(),
                    second: file.path.clone(),
                });
            }
            all.add(named).map_err(|error| LoadError::at(file, &error))?;
        }
    }
    Ok((all, origins))
}

/// Every policy has an `@id`: it is what refusals and the journal call it.
fn name(policy: &Policy, file: &File) -> Result<Policy, LoadError> {
    match policy.annotation("id") {
        Some(id) if !id.is_empty() && id.chars().all(|c| c.is_ascii_graphic()) => Ok(policy.new_id(PolicyId::new(id))),
        _ => Err(LoadError::Unnamed { file: file.path.clone(), policy: policy.to_string() }),
    }
}

fn validate(schema: &Schema, policies: &PolicySet, origins: &HashMap<PolicyId, &File>) -> Result<(), LoadError> {
    let result = Validator::new(schema.clone()).validate(policies, ValidationMode::Strict);
    match result.validation_errors().next() {
        None => Ok(()),
        Some(error) => Err(match origins.get(error.policy_id()) {
            Some(file) => LoadError::at(file, error),
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

fn version(schema: &[(String, String)], files: &[File]) -> Version {
    let mut hash = Sha256::new();
    let mut part = |text: &[u8]| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    for (name, text) in schema {
        part(name.as_bytes());
        part(text.as_bytes());
    }
    for file in files {
        part(file.path.as_os_str().as_encoded_bytes());
        part(file.text.as_bytes());
    }
    Version(Arc::from(hex::encode(&hash.finalize()[..8])))
}

/// Why a policy set cannot be put in force.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("`{0}` cannot be read: {1}")]
    Unreadable(PathBuf, String),
    /// There is no policy at all, which would deny everything without saying so.
    #[error("`{0}` holds no policies in `*.cedar` files; `exeat init` writes some to start from")]
    Empty(PathBuf),
    /// A policy that does not parse or does not validate against the schema.
    #[error("{place}: {message}")]
    Invalid {
        /// `file:line:column`.
        place: String,
        /// Cedar's own message, and its help where it has one.
        message: String,
    },
    /// A policy without a name.
    #[error(
        "{file}: every policy needs a name, `@id(\"…\")` of visible ASCII without spaces, but this one has none:\n{policy}"
    )]
    Unnamed {
        /// The file.
        file: PathBuf,
        /// The policy's text.
        policy: String,
    },
    /// Two policies with one name.
    #[error("the policy id `{id}` is given twice, in {first} and in {second}")]
    Duplicate {
        /// The name.
        id: String,
        /// Where it stands first.
        first: PathBuf,
        /// Where it stands again.
        second: PathBuf,
    },
    /// The schema itself does not hold together.
    #[error("the policy schema is not valid: {0}")]
    Schema(String),
}

impl LoadError {
    fn at(file: &File, error: &dyn Diagnostic) -> Self {
        let offset = error.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
        let place = match offset.and_then(|offset| file.text.get(..offset)) {
            Some(before) => {
                let line = before.matches('\n').count() + 1;
                let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
                format!("{}:{line}:{column}", file.path.display())
            }
            None => file.path.display().to_string(),
        };
        let help = error.help().map(|help| format!(" ({help})")).unwrap_or_default();
        LoadError::Invalid { place, message: format!("{error}{help}") }
    }
}
