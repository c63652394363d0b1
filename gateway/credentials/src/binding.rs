//! What a credential may be used for.

use exeat_core::{Action, Authority, Group};

/// The hosts and actions that a credential is bound to. Both must cover a request.
pub(crate) struct Binding {
    pub(crate) hosts: Vec<Authority>,
    /// None is every action that an integration knows.
    pub(crate) actions: Option<Vec<ActionPattern>>,
}

impl Binding {
    pub(crate) fn covers_host(&self, authority: &Authority) -> bool {
        self.hosts.contains(authority)
    }

    pub(crate) fn covers_action(&self, action: &Action) -> bool {
        match &self.actions {
            Some(patterns) => patterns.iter().any(|pattern| pattern.matches(action)),
            None => action.group.is_some(),
        }
    }
}

/// `read` (a group), `github:git/push` (one action), or `github:*` (all classified actions of an integration).
pub(crate) enum ActionPattern {
    Group(Group),
    One(String),
    AllOf(String),
}

impl ActionPattern {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None => Group::parse(text).map(ActionPattern::Group),
            Some((integration, "*")) if !integration.is_empty() => Some(ActionPattern::AllOf(integration.to_owned())),
            Some((integration, action)) if !integration.is_empty() && !action.is_empty() => {
                Some(ActionPattern::One(text.to_owned()))
            }
            Some(_) => None,
        }
    }

    fn matches(&self, action: &Action) -> bool {
        match self {
            ActionPattern::Group(group) => action.group == Some(*group),
            ActionPattern::One(name) => action.to_string() == *name,
            ActionPattern::AllOf(integration) => action.group.is_some() && action.integration == integration,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(integration: &'static str, name: &'static str, group: Group) -> Action {
        Action { integration, namespace: "Any", name: name.into(), group: Some(group) }
    }

    #[test]
    fn a_pattern_covers_a_group_an_action_or_an_integration() {
        let push = action("github", "git/push", Group::Mutate);
        for (pattern, covered) in [
            ("mutate", true),
            ("read", false),
            ("github:git/push", true),
            ("github:git/fetch", false),
            ("github:*", true),
            ("npm:*", false),
        ] {
            assert_eq!(ActionPattern::parse(pattern).unwrap().matches(&push), covered, "{pattern}");
        }
        assert!(!ActionPattern::parse("exeat:*").unwrap().matches(&Action::UNCLASSIFIED));
    }

    #[test]
    fn what_is_neither_group_nor_action_is_refused() {
        for text in ["", "reads", ":", "github:", ":push", "*"] {
            assert!(ActionPattern::parse(text).is_none(), "{text:?}");
        }
    }
}
