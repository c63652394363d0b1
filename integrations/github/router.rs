//! Finds the operation of a method and a path in GitHub's table: a tree of segments for each method.
//!
//! A literal segment goes before a parameter, a parameter before one that may hold slashes, and where a choice leads
//! nowhere the next is tried: `/user/repos` is not the account `repos`, and `/orgs/acme/attestations/digest/…` is not
//! an id.

use std::collections::HashMap;

use exeat_core::{Action, Group};

use crate::manifest::{ConfigError, Manifest};

/// The table as trees.
pub(crate) struct Router {
    methods: HashMap<&'static str, Node>,
}

/// One operation of the table.
#[derive(Debug)]
pub(crate) struct Route {
    /// `GitHub::Action::"pulls/create"`.
    pub(crate) action: Action,
    /// The type of its resource.
    pub(crate) kind: Kind,
    /// Its parameters, in the path's order.
    parameters: Vec<Parameter>,
}

#[derive(Clone, Copy, Debug)]
struct Parameter {
    name: &'static str,
    slashes: bool,
}

/// The type of an operation's resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `GitHub::Repo`
    Repo,
    /// `GitHub::Ref`
    Ref,
    /// `GitHub::Account`
    Account,
    /// `GitHub::Service`
    Service,
}

/// A route and what its parameters are in one path.
pub(crate) struct Found<'r, 's> {
    /// The route.
    pub(crate) route: &'r Route,
    values: Vec<&'s [&'s str]>,
}

#[derive(Default)]
struct Node {
    literals: HashMap<&'static str, Node>,
    one: Option<Box<Node>>,
    many: Option<Box<Node>>,
    route: Option<Route>,
}

impl Router {
    /// Reads `operations.tsv`, and the manifest's aliases of its rows.
    ///
    /// # Errors
    /// [`ConfigError::Manifest`] names the row that cannot be read.
    pub(crate) fn new(manifest: &'static Manifest, table: &'static str) -> Result<Self, ConfigError> {
        let mut router = Router { methods: HashMap::new() };
        let mut operations = HashMap::new();
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let broken =
                || ConfigError::Manifest { name: "github", why: format!("operations.tsv has the row `{line}`") };
            let [method, template, id, group, kind] = columns(line).ok_or_else(broken)?;
            let action = manifest.action_of(id, Group::parse(group).ok_or_else(broken)?);
            let kind = Kind::parse(kind).ok_or_else(broken)?;
            operations.insert(id, (action.clone(), kind));
            router.insert(manifest, method, template, action, kind);
        }
        for (alias, id) in &manifest.aliases {
            let broken = || ConfigError::Manifest { name: "github", why: format!("the alias `{alias}` leads nowhere") };
            let (method, template) = alias.split_once(' ').ok_or_else(broken)?;
            let (action, kind) = operations.get(id.as_str()).cloned().ok_or_else(broken)?;
            router.insert(manifest, method, template, action, kind);
        }
        Ok(router)
    }

    fn insert(
        &mut self, manifest: &Manifest, method: &'static str, template: &'static str, action: Action, kind: Kind,
    ) {
        let mut parameters = Vec::new();
        let mut node = self.methods.entry(method).or_default();
        for segment in template.split('/').filter(|segment| !segment.is_empty()) {
            let parameter = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let many = parameter.and_then(|name| name.strip_prefix('+'));
            if let Some(name) = many.or(parameter) {
                let slashes = many.is_some() || manifest.slash_parameters.iter().any(|known| known == name);
                parameters.push(Parameter { name, slashes });
            }
            node = match (many, parameter) {
                (Some(_), _) => node.many.get_or_insert_default(),
                (None, Some(_)) => node.one.get_or_insert_default(),
                (None, None) => node.literals.entry(segment).or_default(),
            };
        }
        node.route = Some(Route { action, kind, parameters });
    }

    /// The route for a method and the decoded segments of a path.
    pub(crate) fn find<'r, 's>(&'r self, method: &str, segments: &'s [&'s str]) -> Option<Found<'r, 's>> {
        let mut values = Vec::new();
        let route = self.methods.get(method)?.walk(segments, &mut values)?;
        Some(Found { route, values })
    }
}

impl Node {
    fn walk<'r, 's>(&'r self, rest: &'s [&'s str], values: &mut Vec<&'s [&'s str]>) -> Option<&'r Route> {
        let Some((first, tail)) = rest.split_first() else { return self.route.as_ref() };
        if let Some(node) = self.literals.get(*first)
            && let Some(found) = node.walk(tail, values)
        {
            return Some(found);
        }
        let one = self.one.iter().map(|node| (node, 1));
        let many = self.many.iter().flat_map(|node| (1..=rest.len()).map(move |length| (node, length)));
        for (node, length) in one.chain(many) {
            let (value, tail) = rest.split_at(length);
            values.push(value);
            if let Some(found) = node.walk(tail, values) {
                return Some(found);
            }
            values.pop();
        }
        None
    }
}

impl Found<'_, '_> {
    /// A parameter's value; the segments of one that holds slashes are joined again.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let at = self.route.parameters.iter().position(|parameter| parameter.name == name)?;
        self.values.get(at).map(|segments| segments.join("/"))
    }

    /// Whether a slash stands, percent-encoded, in a parameter that has none.
    pub(crate) fn has_misplaced_slash(&self) -> bool {
        let holds_slash = |segments: &&[&str]| segments.iter().any(|segment| segment.contains('/'));
        self.route
            .parameters
            .iter()
            .zip(&self.values)
            .any(|(parameter, value)| !parameter.slashes && holds_slash(value))
    }
}

impl Kind {
    fn parse(name: &str) -> Option<Kind> {
        match name {
            "Repo" => Some(Kind::Repo),
            "Ref" => Some(Kind::Ref),
            "Account" => Some(Kind::Account),
            "Service" => Some(Kind::Service),
            _ => None,
        }
    }
}

fn columns(line: &'static str) -> Option<[&'static str; 5]> {
    line.split('\t').collect::<Vec<_>>().try_into().ok()
}
