//! What names an object: its namespace and its name.

use std::fmt;
use std::sync::Arc;

use kube::{Resource, ResourceExt};

/// An object of a kind that is known from elsewhere. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The namespace.
    pub(crate) namespace: Arc<str>,
    /// The name.
    pub(crate) name: Arc<str>,
}

impl Key {
    /// The object of this name.
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Key { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object that an API server has given out.
    pub(crate) fn of<K: Resource>(object: &K) -> Self {
        Key::new(object.namespace().as_deref().unwrap_or_default(), &object.name_any())
    }

    /// Another object in the same namespace.
    #[must_use]
    pub(crate) fn beside(&self, name: &str) -> Self {
        Key { namespace: Arc::clone(&self.namespace), name: name.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
