//! What every object here has in its metadata. Kubernetes' type allows for objects that have nothing yet.

use exeat_api::ObjectMeta;

/// An object's name.
pub(crate) fn name(metadata: &ObjectMeta) -> &str {
    metadata.name.as_deref().unwrap_or_default()
}

/// The namespace that it is in.
pub(crate) fn namespace(metadata: &ObjectMeta) -> &str {
    metadata.namespace.as_deref().unwrap_or_default()
}

/// What tells it from others of its name.
pub(crate) fn uid(metadata: &ObjectMeta) -> &str {
    metadata.uid.as_deref().unwrap_or_default()
}

/// Whether a change is meant for another version of it.
pub(crate) fn is_stale(wanted: Option<&str>, metadata: &ObjectMeta) -> bool {
    wanted.is_some_and(|wanted| metadata.resource_version.as_deref() != Some(wanted))
}
