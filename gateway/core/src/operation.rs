//! What a request means: one or more actions, each on one resource, in the words that Cedar judges.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

/// The groups that cut across integrations: `Exeat::Action::"publish"` covers npm, PyPI and the rest at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Changes nothing.
    Read,
    /// Changes something that can be changed back.
    Mutate,
    /// Takes something away.
    Destroy,
    /// Makes something available to others under a name they trust.
    Publish,
    /// Puts something in front of people.
    Notify,
    /// Costs money.
    Spend,
    /// Changes who may do what, or holds secrets.
    Admin,
}

impl Group {
    /// All groups.
    pub const ALL: [Group; 7] =
        [Group::Read, Group::Mutate, Group::Destroy, Group::Publish, Group::Notify, Group::Spend, Group::Admin];

    /// As it is written in Cedar and in `exeat.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Group::Read => "read",
            Group::Mutate => "mutate",
            Group::Destroy => "destroy",
            Group::Publish => "publish",
            Group::Notify => "notify",
            Group::Spend => "spend",
            Group::Admin => "admin",
        }
    }

    /// The group of that name.
    pub fn parse(name: &str) -> Option<Group> {
        Group::ALL.into_iter().find(|group| group.as_str() == name)
    }
}

/// One named operation of one integration, as `github:git/push`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Action {
    /// The integration: `github`.
    pub integration: &'static str,
    /// The Cedar namespace in which the integration declares its actions: `GitHub`.
    pub namespace: &'static str,
    /// The action's name there: `git/push`.
    pub name: Cow<'static, str>,
    /// Its group. `None` is `unclassified` alone, which no wildcard permit covers.
    pub group: Option<Group>,
}

impl Action {
    /// What could not be decoded: in no group, and permitted only by a policy that names it.
    pub const UNCLASSIFIED: Action =
        Action { integration: "exeat", namespace: "Exeat", name: Cow::Borrowed("unclassified"), group: None };

    /// The action's Cedar entity: `GitHub::Action::"git/push"`.
    pub fn entity(&self) -> EntityName {
        EntityName { kind: Cow::Owned(format!("{}::Action", self.namespace)), id: self.name.to_string() }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group {
            None => f.write_str(&self.name),
            Some(_) => write!(f, "{}:{}", self.integration, self.name),
        }
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A Cedar entity's type and id, displayed as Cedar writes it: `GitHub::Repo::"acme/site"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityName {
    /// The type with its namespace: `GitHub::Repo`.
    pub kind: Cow<'static, str>,
    /// The id: `acme/site`.
    pub id: String,
}

impl EntityName {
    /// `kind::"id"`.
    pub fn new(kind: &'static str, id: impl Into<String>) -> Self {
        EntityName { kind: Cow::Borrowed(kind), id: id.into() }
    }
}

impl fmt::Display for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::\"{}\"", self.kind, self.id.escape_debug())
    }
}

impl Serialize for EntityName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An attribute's value, as Cedar knows them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// `Bool`
    Bool(bool),
    /// `Long`
    Long(i64),
    /// `String`
    String(String),
    /// `Set<String>`
    Set(Vec<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.to_owned())
    }
}

/// An entity with its attributes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entity {
    /// Type and id.
    pub name: EntityName,
    /// Attributes that the schema declares for the type.
    pub attributes: BTreeMap<&'static str, Value>,
}

impl Entity {
    /// An entity without attributes.
    pub fn new(kind: &'static str, id: impl Into<String>) -> Self {
        Entity { name: EntityName::new(kind, id), attributes: BTreeMap::new() }
    }

    /// The same with one attribute more.
    #[must_use]
    pub fn with(mut self, attribute: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.insert(attribute, value.into());
        self
    }
}

/// One action on one resource: the unit of decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What is done.
    pub action: Action,
    /// To what: the resource, then what it is in, nearest first. `Ref`, `Repo`, `Account`.
    pub resource: Vec<Entity>,
    /// What else a policy may ask about, in the record type that the schema declares for the action.
    /// The facts that every request has (`method`, `host`, `path` …) are added by the policy room.
    pub context: BTreeMap<&'static str, Value>,
}

impl Operation {
    /// `action` on the first of `lineage`, which is in the second, and so on.
    pub fn new(action: Action, lineage: Vec<Entity>) -> Self {
        Operation { action, resource: lineage, context: BTreeMap::new() }
    }

    /// The same with one context attribute more.
    #[must_use]
    pub fn with(mut self, attribute: &'static str, value: impl Into<Value>) -> Self {
        self.context.insert(attribute, value.into());
        self
    }

    /// The resource's own name, without its ancestors.
    pub fn target(&self) -> Option<&EntityName> {
        self.resource.first().map(|entity| &entity.name)
    }
}

/// What the policies said about one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The operation that was judged.
    pub operation: Operation,
    /// Whether it may leave.
    pub allowed: bool,
    /// The policies that decided, by their `@id`: the permits of an allowed operation, the forbids of a refused one,
    /// none where nothing permits it.
    pub policies: Vec<String>,
    /// Policies that could not be evaluated. One is enough for a refusal.
    pub errors: Vec<String>,
}
