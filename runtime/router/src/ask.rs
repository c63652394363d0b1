//! What a request's headers ask for.

use std::time::Duration;

use http::HeaderMap;

use crate::{Refusal, limits};

/// Which sandbox is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub id: String,
    /// Its UID, where the client knows it.
    pub uid: Option<String>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Which sandbox.
    pub target: Target,
    /// Which of its ports.
    pub port: u16,
    /// For how long its answer is waited for.
    pub timeout: Duration,
}

impl Ask {
    /// Reads the `X-Sandbox-*` headers. `X-Sandbox-Pod-IP` is not read: an address that a client names is no proof of
    /// what is there.
    ///
    /// # Errors
    /// A header is missing, or makes no sense.
    pub fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let id = one(headers, "x-sandbox-id")?.filter(|id| !id.is_empty()).ok_or(Refusal::NoId)?;
        let namespace = one(headers, "x-sandbox-namespace")?.unwrap_or("default");
        let uid = one(headers, "x-sandbox-uid")?.filter(|uid| !uid.is_empty());
        let target = Target { namespace: namespace.to_owned(), id: id.to_owned(), uid: uid.map(ToOwned::to_owned) };
        Ok(Ask { target, port: port(headers)?, timeout: timeout(headers)? })
    }
}

fn port(headers: &HeaderMap) -> Result<u16, Refusal> {
    let Some(text) = one(headers, "x-sandbox-port")? else { return Ok(8888) };
    let port = text.parse().ok().filter(|&port| port != 0);
    port.ok_or(Refusal::Header { name: "x-sandbox-port", why: "give a port from 1 to 65535" })
}

fn timeout(headers: &HeaderMap) -> Result<Duration, Refusal> {
    let Some(text) = one(headers, "x-sandbox-timeout")? else { return Ok(limits::ANSWER_TIME) };
    let seconds: Option<f64> = text.parse().ok().filter(|seconds: &f64| *seconds > 0.0);
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let time = time.ok_or(Refusal::Header { name: "x-sandbox-timeout", why: "give seconds, more than none" })?;
    Ok(time.min(limits::LONGEST_ANSWER_TIME))
}

/// The one value of a header. Two would let the sandbox that was checked be another than the one that is entered.
fn one<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::Header { name, why: "it is there twice" });
    }
    let text = value.to_str().map_err(|_| Refusal::Header { name, why: "it is not ASCII" })?;
    Ok(Some(text.trim()))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, StatusCode};

    use super::*;

    fn read(headers: &[(&'static str, &'static str)]) -> Result<Ask, Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        Ask::read(&map)
    }

    #[test]
    fn the_headers_of_the_sdk_are_read_and_an_address_is_not() {
        let ask = read(&[
            ("x-sandbox-id", "pool-abc12"),
            ("x-sandbox-namespace", "team"),
            ("x-sandbox-port", "3000"),
            ("x-sandbox-timeout", "13.5"),
            ("x-sandbox-pod-ip", "169.254.169.254"),
        ]);
        let target = Target { namespace: "team".into(), id: "pool-abc12".into(), uid: None };
        assert_eq!(ask.unwrap(), Ask { target, port: 3000, timeout: Duration::from_millis(13_500) });
    }

    #[test]
    fn what_is_not_said_is_the_usual() {
        let ask = read(&[("x-sandbox-id", "a")]).unwrap();
        assert_eq!((ask.target.namespace.as_str(), ask.port, ask.timeout), ("default", 8888, limits::ANSWER_TIME));
    }

    #[test]
    fn nonsense_is_refused_for_good() {
        let id = ("x-sandbox-id", "a");
        for bad in [
            vec![],
            vec![("x-sandbox-id", "")],
            vec![id, ("x-sandbox-id", "b")],
            vec![id, ("x-sandbox-port", "0")],
            vec![id, ("x-sandbox-port", "65536")],
            vec![id, ("x-sandbox-timeout", "-1")],
            vec![id, ("x-sandbox-timeout", "NaN")],
            vec![id, ("x-sandbox-timeout", "1e300")],
        ] {
            assert_eq!(read(&bad).unwrap_err().status(), StatusCode::BAD_REQUEST, "{bad:?}");
        }
    }
}
