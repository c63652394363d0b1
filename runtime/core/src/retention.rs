//! Which automatic snapshots are kept.

use serde::{Deserialize, Serialize};

use jiff::{Timestamp, ToSpan};

use crate::{Snapshot, SnapshotId};

/// Which automatic snapshots of one sandbox are kept: the newest ones, and the newest of each past hour and day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// The newest so many.
    pub last: u32,
    /// The newest of each of so many past hours.
    pub hours: u32,
    /// The newest of each of so many past days (of 24 hours).
    pub days: u32,
}

impl Default for Keep {
    fn default() -> Self {
        Keep { last: 5, hours: 6, days: 7 }
    }
}

/// Those of one sandbox's snapshots that the rule does not keep.
pub fn expired(snapshots: &[Snapshot], keep: &Keep, now: Timestamp) -> Vec<SnapshotId> {
    let mut automatic: Vec<&Snapshot> = snapshots.iter().filter(|snapshot| snapshot.cause.is_automatic()).collect();
    automatic.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    let mut kept: Vec<&SnapshotId> = automatic.iter().take(keep.last as usize).map(|snapshot| &snapshot.id).collect();
    for (length_hours, count) in [(1, keep.hours), (24, keep.days)] {
        for back in 0..i64::from(count) {
            let Ok(end) = now.checked_sub((back * length_hours).hours()) else { break };
            let Ok(begin) = end.checked_sub(length_hours.hours()) else { break };
            let newest = automatic.iter().find(|snapshot| snapshot.created > begin && snapshot.created <= end);
            kept.extend(newest.map(|snapshot| &snapshot.id));
        }
    }
    automatic.iter().map(|snapshot| &snapshot.id).filter(|id| !kept.contains(id)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cause, Kind, Root, SandboxId, Saved, Schedule, Spec};

    fn snapshot(number: u8, minutes_ago: i64, cause: Cause) -> Snapshot {
        let spec = Spec {
            root: Root::Host,
            profile: "coder".into(),
            user: "me".into(),
            teams: vec![],
            environment: Default::default(),
            workspace: None,
            resources: Default::default(),
            idle_seconds: None,
            shutdown: None,
            snapshots: Schedule::default(),
        };
        Snapshot {
            id: SnapshotId::new([0, 0, 0, 0, 0, number]),
            sandbox: SandboxId::new([0; 6]),
            sandbox_name: "x".into(),
            created: now() - minutes_ago.minutes(),
            label: None,
            cause,
            kind: Kind::Disk,
            saved: Saved::default(),
            spec,
            bytes: 0,
            journal_sequence: 0,
        }
    }

    fn now() -> Timestamp {
        "2026-01-02T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_newest_of_each_span_stays_and_what_a_person_took_always_does() {
        let ages = [1, 2, 3, 61, 62, 130, 3000, 20_000];
        let mut all: Vec<Snapshot> =
            ages.iter().zip(0..).map(|(age, number)| snapshot(number, *age, Cause::Scheduled)).collect();
        all.push(snapshot(99, 50_000, Cause::Asked));
        let keep = Keep { last: 1, hours: 2, days: 3 };
        let gone: Vec<u8> =
            expired(&all, &keep, now()).iter().map(|id| u8::from_str_radix(&id.as_str()[15..], 16).unwrap()).collect();
        // Kept: 0 (newest), 3 (newest of the hour before), 6 (newest of the third day).
        assert_eq!(gone, [1, 2, 4, 5, 7]);
        assert!(expired(&all, &Keep { last: 100, hours: 0, days: 0 }, now()).is_empty());
    }
}
