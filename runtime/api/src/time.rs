//! A time as Kubernetes writes it.

use std::borrow::Cow;
use std::fmt;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time as Kubernetes writes it: RFC 3339 in UTC.
///
/// k8s-openapi's own is written to the second whatever it holds, so that an object is not what it was once it has been
/// written and read; this one is what is written.
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

/// For an object's metadata, where times are to the second.
impl From<Time> for meta::Time {
    fn from(time: Time) -> Self {
        // Both reach as far; a time that does not fit would be another library's.
        let second = k8s_openapi::jiff::Timestamp::from_second(time.0.as_second());
        meta::Time(second.unwrap_or(k8s_openapi::jiff::Timestamp::MAX))
    }
}

/// Out of an object's metadata.
impl From<&meta::Time> for Time {
    fn from(time: &meta::Time) -> Self {
        Time(Timestamp::from_second(time.0.as_second()).unwrap_or(Timestamp::MAX))
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

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;

    use super::Time;

    #[test]
    fn times_of_metadata_are_the_same_to_the_second() {
        for (given, second) in [
            ("2026-11-23T15:18:53.9Z", "2026-11-23T15:18:53Z"),
            ("1969-12-31T23:59:58.5Z", "1969-12-31T23:59:58Z"),
            ("9999-12-30T00:00:00Z", "9999-12-30T00:00:00Z"),
        ] {
            let time = Time::of(given.parse().unwrap());
            let metadata = meta::Time::from(time);
            assert_eq!(serde_json::to_value(&metadata).unwrap(), second);
            assert_eq!(Time::from(&metadata), time);
        }
    }
}
