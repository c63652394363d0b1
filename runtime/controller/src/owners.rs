//! Whose an object is.

use exeat_api::{Time, labels};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use serde_json::{Value, json};

/// Whose an object is, seen from one that wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owned {
    /// Ours.
    Ours,
    /// Nobody's, and we may take it.
    Adoptable,
    /// Nobody's, and not for us.
    Nobodys,
    /// Somebody else's, by kind, name and UID.
    Others(String),
}

/// The owner that manages an object.
pub(crate) fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.as_deref().unwrap_or_default().iter().find(|owner| owner.controller == Some(true))
}

/// Whether the one of this UID manages an object.
pub(crate) fn is_owned(meta: &ObjectMeta, uid: &str) -> bool {
    controller(meta).is_some_and(|owner| owner.uid == uid)
}

/// Whose an object is: ours by our UID. Nobody's can be taken if it is labelled for us, or for anybody.
pub(crate) fn owned(meta: &ObjectMeta, uid: &str, name_hash: &str) -> Owned {
    match controller(meta) {
        Some(owner) if owner.uid == uid => Owned::Ours,
        Some(owner) => Owned::Others(format!("{}/{} (UID: {})", owner.kind, owner.name, owner.uid)),
        None => {
            let label = |name: &str| meta.labels.as_ref().and_then(|labels| labels.get(name)).map(String::as_str);
            let is_adoptable = label(labels::ADOPTABLE) == Some("true") || label(labels::NAME_HASH) == Some(name_hash);
            if is_adoptable { Owned::Adoptable } else { Owned::Nobodys }
        }
    }
}

/// The reference by which an object says that this one manages it.
pub(crate) fn reference<K: Resource<DynamicType = ()>>(owner: &K) -> Value {
    json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()), "name": owner.meta().name, "uid": owner.meta().uid,
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// When an object was made.
pub(crate) fn created<K: Resource>(object: &K) -> Option<Timestamp> {
    object.meta().creation_timestamp.as_ref().map(|time| Time::from(time).timestamp())
}
