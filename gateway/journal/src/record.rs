//! A record as JSON: one object, `{"time":…,"type":…,…}`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Event;

/// One record: an event, its place in the order of all events, and when it was given to the journal.
///
/// Serialised it is one flat object, as `exeat audit` prints it. On disk the same object has no `sequence`: there it
/// stands in the frame around it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// 1, 2, 3 … without gaps.
    pub sequence: u64,
    /// When the event was given to the journal. Events that waited for the same group may be a few microseconds out
    /// of order.
    #[serde(serialize_with = "time::serialize")]
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Record {
    /// Reads a record's payload.
    pub(crate) fn decode(sequence: u64, payload: &[u8]) -> Result<Record, serde_json::Error> {
        let Payload { time, event } = serde_json::from_slice(payload)?;
        Ok(Record { sequence, time, event })
    }
}

#[derive(Deserialize)]
struct Payload {
    #[serde(deserialize_with = "time::deserialize")]
    time: Timestamp,
    #[serde(flatten)]
    event: Event,
}

/// Writes a record's payload after what is in `buffer` already.
pub(crate) fn encode(buffer: &mut Vec<u8>, time: Timestamp, event: &Event) -> Result<(), serde_json::Error> {
    #[derive(Serialize)]
    struct Borrowed<'a> {
        #[serde(serialize_with = "time::serialize")]
        time: Timestamp,
        #[serde(flatten)]
        event: &'a Event,
    }
    serde_json::to_writer(buffer, &Borrowed { time, event })
}

/// At most `limit` bytes of `text`, cut between characters, followed by how much is missing: `…(+N bytes)`.
///
/// The note comes on top of the limit, so that a limit of nothing still says that something was there.
pub fn bounded(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let cut = text.floor_char_boundary(limit);
    format!("{}…(+{} bytes)", &text[..cut], text.len() - cut)
}

/// RFC 3339 in UTC, always with six digits of a second, so that text sorts as time does.
mod time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::borrow::Cow;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{time:.6}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(event: &Event) -> String {
        let mut buffer = Vec::new();
        encode(&mut buffer, "2026-01-02T03:04:05.678901999Z".parse().unwrap(), event).unwrap();
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn a_record_is_one_flat_object() {
        let event = Event::Outcome {
            intent: 7,
            status: Some(201),
            error: None,
            sent_bytes: 1,
            received_bytes: 2,
            duration_us: 3,
        };
        let text = written(&event);
        assert_eq!(
            text,
            r#"{"time":"2026-01-02T03:04:05.678901Z","type":"outcome","intent":7,"status":201,"sent_bytes":1,"received_bytes":2,"duration_us":3}"#
        );
        let record = Record::decode(8, text.as_bytes()).unwrap();
        assert_eq!((record.sequence, &record.event), (8, &event));
        assert!(
            serde_json::to_string(&record)
                .unwrap()
                .starts_with(r#"{"sequence":8,"time":"2026-01-02T03:04:05.678901Z","#)
        );
    }

    #[test]
    fn what_a_newer_gateway_wrote_is_passed_over() {
        let text = br#"{"time":"2026-01-02T03:04:05Z","type":"gateway-stop","mood":"fine"}"#;
        assert_eq!(Record::decode(1, text).unwrap().event, Event::GatewayStop {});
        let text = br#"{"time":"2026-01-02T03:04:05Z","type":"moon-landing","crew":3}"#;
        assert_eq!(Record::decode(1, text).unwrap().event, Event::Unknown);
        assert!(encode(&mut Vec::new(), Timestamp::UNIX_EPOCH, &Event::Unknown).is_err());
    }

    #[test]
    fn newlines_and_escape_sequences_stay_inside_the_record() {
        let text = written(&Event::PolicyRejected { message: "a\nb\u{1b}[2J\0".into(), scope: None });
        assert!(!text.contains(['\n', '\u{1b}', '\0']), "{text}");
    }

    #[test]
    fn long_text_is_cut_between_characters_and_says_so() {
        assert_eq!(bounded("straße", 7), "straße");
        assert_eq!(bounded("straße", 5), "stra…(+3 bytes)");
        assert_eq!(bounded("x", 0), "…(+1 bytes)");
    }
}
