//! What every object has.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One object: its type, its metadata, what it shall be and what it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Object<Spec, Status> {
    /// Group and version, `agents.x-k8s.io/v1beta1`.
    pub api_version: String,
    /// `Sandbox`.
    pub kind: String,
    /// Name, UID and so on.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What it shall be.
    pub spec: Spec,
    /// What it is; nothing is known of a new object.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

fn none<T>() -> Option<T> {
    None
}

/// A kind of object, by the type of what it shall be.
pub trait Kind {
    /// What it is, once something is known.
    type Status;
    /// `agents.x-k8s.io/v1beta1`.
    const API_VERSION: &'static str;
    /// `Sandbox`.
    const KIND: &'static str;
}

impl<Spec: Kind> Object<Spec, Spec::Status> {
    /// An object of which nothing is known yet.
    pub fn new(metadata: ObjectMeta, spec: Spec) -> Self {
        Object { api_version: Spec::API_VERSION.to_owned(), kind: Spec::KIND.to_owned(), metadata, spec, status: None }
    }
}

/// An object's metadata (Kubernetes API reference, ObjectMeta), without what only Kubernetes' own controllers use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Unique in its namespace and kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What a name is to be made from where none is given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub generate_name: String,
    /// The namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Never used twice.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Which change made it what it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// How often its spec has been changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Time>,
    /// When it was asked to go, where it is still there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Time>,
    /// Labels, by which objects are selected.
    #[serde(deserialize_with = "map_or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Notes of any kind.
    #[serde(deserialize_with = "map_or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What it goes with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
}

/// An object that another one goes with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    /// Its group and version.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Whether it is the one that manages the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
}

/// Go's clients write an empty map as `null`.
pub(crate) fn map_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A time as Kubernetes writes it: RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(Timestamp);

impl Time {
    /// To the second, as Kubernetes keeps times.
    pub fn of(time: Timestamp) -> Self {
        Time(time.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor)).unwrap_or(time))
    }

    /// To the microsecond, where the order within a second matters.
    pub fn exact(time: Timestamp) -> Self {
        Time(time.round(TimestampRound::new().smallest(Unit::Microsecond).mode(RoundMode::Floor)).unwrap_or(time))
    }

    /// The time.
    pub fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Timestamp::deserialize(deserializer).map(Time)
    }
}
