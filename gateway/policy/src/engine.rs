//! Deciding, and changing what decides while requests go on.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityUid, Request as CedarRequest, RestrictedExpression,
};
use exeat_core::{EntityName, Operation, Request, Session, Value, Verdict};

use crate::load::Loaded;
use crate::recent::{Asked, Cedar};
use crate::vocabulary::Vocabulary;
use crate::{Denied, Exeat, LoadError, Source, Version};

/// The policies in force.
pub struct Policies {
    source: Source,
    loaded: ArcSwap<Loaded>,
    authorizer: Authorizer,
}

impl Policies {
    /// Reads and validates a first set.
    ///
    /// # Errors
    /// [`LoadError`] says which file and line.
    pub fn load(source: Source) -> Result<Self, LoadError> {
        let loaded = ArcSwap::from_pointee(Loaded::read(&source)?);
        Ok(Policies { source, loaded, authorizer: Authorizer::new() })
    }

    /// Reads the files again and puts them in force at once.
    ///
    /// # Errors
    /// [`LoadError`], and the set that was in force stays.
    pub fn reload(&self) -> Result<Version, LoadError> {
        let fresh = Loaded::read(&self.source)?;
        let version = fresh.version.clone();
        self.loaded.store(Arc::new(fresh));
        Ok(version)
    }

    /// Where the policies come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The version in force.
    pub fn version(&self) -> Version {
        self.loaded.load().version.clone()
    }

    /// How many policies are in force.
    pub fn count(&self) -> usize {
        self.loaded.load().policies.num_of_policies()
    }

    /// Decides about a request, whole: every operation must be allowed, by one version of the policies.
    ///
    /// # Errors
    /// [`Denied`] gives the request back with what was said of each operation.
    pub fn decide(
        &self, session: &Session, request: Request, operations: Vec<Operation>,
    ) -> Result<Exeat, Box<Denied>> {
        let loaded = self.loaded.load();
        let http = http_facts(&request);
        let verdicts: Vec<_> =
            operations.into_iter().map(|operation| self.judge(&loaded, session, &http, operation)).collect();
        let version = loaded.version.clone();
        match verdicts.iter().find(|verdict| !verdict.allowed).cloned() {
            None if !verdicts.is_empty() => Ok(Exeat::grant(request, verdicts, version)),
            first => {
                let first = first.unwrap_or_else(|| refused_without_meaning(&request));
                Err(Box::new(Denied { request, verdicts, first, version }))
            }
        }
    }

    fn judge(&self, loaded: &Loaded, session: &Session, http: &RestrictedExpression, operation: Operation) -> Verdict {
        let (allowed, policies, errors) = match self.evaluate(loaded, session, http, &operation) {
            Ok(answer) => answer,
            // What does not fit the schema cannot be judged, whatever the policies say.
            Err(message) => (false, Vec::new(), vec![message]),
        };
        Verdict { operation, allowed, policies, errors }
    }

    fn evaluate(
        &self, loaded: &Loaded, session: &Session, http: &RestrictedExpression, operation: &Operation,
    ) -> Result<(bool, Vec<String>, Vec<String>), String> {
        let policies = if operation.action.group.is_some() { &loaded.policies } else { &loaded.unclassified };
        let (request, asked) = loaded.question(session, http, operation)?;
        let response = self.authorizer.is_authorized(&request, policies, &asked.cedar.entities);
        let name = |id: &cedar_policy::PolicyId| id.to_string();
        let errors: Vec<_> = response
            .diagnostics()
            .errors()
            .map(|error| match error {
                cedar_policy::AuthorizationError::PolicyEvaluationError(error) => name(error.policy_id()),
            })
            .collect();
        let allowed = response.decision() == Decision::Allow && errors.is_empty();
        let mut reasons: Vec<_> = response.diagnostics().reason().map(name).collect();
        reasons.sort();
        Ok((allowed, reasons, errors))
    }
}

impl Loaded {
    /// One operation as Cedar asks it.
    fn question(
        &self, session: &Session, http: &RestrictedExpression, operation: &Operation,
    ) -> Result<(CedarRequest, Arc<Asked>), String> {
        let vocabulary = self.vocabulary()?;
        let asked = self.recent.get_or(session, operation, || vocabulary.in_cedar(session, operation))?;
        let own = operation.context.iter().map(|(name, value)| ((*name).to_owned(), expression(value)));
        let context = Context::from_pairs(own.chain([("http".to_owned(), http.clone())])).map_err(|e| e.to_string())?;
        let Cedar { principal, action, resource, .. } = &asked.cedar;
        let request =
            CedarRequest::new(principal.clone(), action.clone(), resource.clone(), context, Some(&vocabulary.schema))
                .map_err(|error| error.to_string())?;
        Ok((request, asked))
    }
}

impl Vocabulary {
    /// Three entities are enough: what is above principal and resource is named among their ancestors, and has no attributes
    /// that a policy could reach.
    fn in_cedar(&self, session: &Session, operation: &Operation) -> Result<Cedar, String> {
        let action = self.uid(&operation.action.entity())?;
        let known = self.actions.get(&action).cloned().ok_or_else(|| format!("unknown action `{action}`"))?;
        let (target, above) = operation.resource.split_first().ok_or("the operation names no resource")?;
        let principal = self.principal(session)?;
        let resource = entity(
            self.uid(&target.name)?,
            target.attributes.iter(),
            above.iter().map(|entity| self.uid(&entity.name)).collect::<Result<_, _>>()?,
        )?;
        Ok(Cedar {
            principal: principal.uid(),
            action,
            resource: resource.uid(),
            entities: Entities::from_entities([principal, known, resource], None).map_err(|error| error.to_string())?,
        })
    }

    fn principal(&self, session: &Session) -> Result<Entity, String> {
        let uid = |kind, id: &str| self.uid(&EntityName::new(kind, id));
        let mut above = session.teams.iter().map(|team| uid("Exeat::Team", team)).collect::<Result<HashSet<_>, _>>()?;
        above.extend([uid("Exeat::User", &session.user)?, uid("Exeat::Profile", &session.profile)?]);
        let attributes = [
            ("profile", Value::String(session.profile.clone())),
            ("user", Value::String(session.user.clone())),
            ("teams", Value::Set(session.teams.clone())),
        ];
        entity(uid("Exeat::Session", &session.id)?, attributes.iter().map(|(name, value)| (name, value)), above)
    }

    fn uid(&self, name: &EntityName) -> Result<EntityUid, String> {
        let kind = self.types.get(name.kind.as_ref()).ok_or_else(|| format!("unknown entity type `{}`", name.kind))?;
        Ok(EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(&name.id)))
    }
}

/// `context.http`, the same for every operation of a request.
fn http_facts(request: &Request) -> RestrictedExpression {
    let authority = request.authority();
    let facts = [
        ("method", Value::from(request.method().as_str())),
        ("scheme", Value::from(request.scheme().as_str())),
        ("host", Value::String(authority.host.to_string())),
        ("port", Value::Long(i64::from(authority.port))),
        ("path", Value::from(request.path().as_str())),
    ];
    let facts: BTreeMap<_, _> = facts.into_iter().map(|(name, value)| (name.to_owned(), expression(&value))).collect();
    // Field names of a record literal are distinct, which is all that can fail.
    RestrictedExpression::new_record(facts).unwrap_or_else(|_| RestrictedExpression::new_bool(false))
}

fn entity<'a>(
    uid: EntityUid, attributes: impl Iterator<Item = (&'a &'static str, &'a Value)>, above: HashSet<EntityUid>,
) -> Result<Entity, String> {
    let attributes = attributes.map(|(name, value)| ((*name).to_owned(), expression(value))).collect();
    Entity::new(uid, attributes, above).map_err(|error| error.to_string())
}

fn expression(value: &Value) -> RestrictedExpression {
    match value {
        Value::Bool(value) => RestrictedExpression::new_bool(*value),
        Value::Long(value) => RestrictedExpression::new_long(*value),
        Value::String(value) => RestrictedExpression::new_string(value.clone()),
        Value::Set(values) => {
            RestrictedExpression::new_set(values.iter().map(|value| RestrictedExpression::new_string(value.clone())))
        }
    }
}

/// A request that stands for no operation at all asks for nothing that a policy could permit.
fn refused_without_meaning(request: &Request) -> Verdict {
    let endpoint = exeat_core::Entity::new("Exeat::Endpoint", request.authority().to_string());
    let operation = Operation::new(exeat_core::Action::UNCLASSIFIED, vec![endpoint]);
    Verdict { operation, allowed: false, policies: Vec::new(), errors: Vec::new() }
}
