//! JSON with one meaning (RFC 8259, as RFC 8785 and I-JSON narrow it): no key twice in an object, no byte order mark,
//! nothing after the value, UTF-8 only. Where a parser at the origin takes the first of two keys and ours the last, a
//! policy would judge another body than the one that counts.

use std::fmt;

use exeat_core::Unreadable;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads a whole body.
///
/// # Errors
/// [`Unreadable`] says where it is not JSON, or not JSON of one meaning.
pub fn parse(body: &[u8]) -> Result<Value, Unreadable> {
    serde_json::from_slice(body)
        .map(|Strict(value)| value)
        .map_err(|error| Unreadable::malformed(format!("the body is not JSON with one meaning: {error}")))
}

/// A [`Value`] whose objects have each key once.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key `{}` is given twice", key.escape_debug())));
            }
            let Strict(value) = access.next_value()?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::*;

    #[test]
    fn json_of_two_meanings_is_refused() {
        for body in [
            &b"{\"a\":1,\"a\":2}"[..],
            b"{\"a\":1,\"\\u0061\":2}",
            b"[{\"x\":{\"a\":1,\"a\":1}}]",
            b"\xef\xbb\xbf{}",
            b"{} {}",
            b"{}\0",
            b"\xff\xfe{\0}\0",
            b"{\"a\":\"\xff\"}",
            b"\"\\ud800\"",
            b"{\"a\":NaN}",
            b"{\"a\":1,}",
            b"",
        ] {
            assert!(parse(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
        assert!(parse(" {\"a\":[1,-2,0.5,true,null,\"é\"],\"b\":{\"a\":1}}\n".as_bytes()).is_ok());
    }

    #[test]
    fn nesting_is_bounded() {
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
        }

        #[test]
        fn what_it_reads_serde_json_reads_alike(text in "[\\[\\]{}:,\"ab0-9. \\\\untrefals-]{0,40}") {
            if let Ok(value) = parse(text.as_bytes()) {
                assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(value));
            }
        }
    }
}
