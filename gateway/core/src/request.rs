//! The canonical request: the only form that is judged, and the only form that is sent.

use http::{HeaderMap, Method};

use crate::{Authority, CanonicalPath, MalformedAuthority, MalformedPath, MalformedQuery, Query, Scheme};

/// A request whose every part has one meaning. Its body travels beside it.
///
/// Fields are private so that a request cannot drift from the form that was judged.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    scheme: Scheme,
    authority: Authority,
    path: CanonicalPath,
    query: Query,
    headers: HeaderMap,
}

impl Request {
    /// Builds the canonical form from a method, a canonical authority, the raw path and query of the request target, and
    /// headers from which hop-by-hop fields and the client's own credentials are already gone.
    ///
    /// # Errors
    /// [`Malformed`] for a path or a query that can be read in two ways, for a method that HTTP clients do not send to origins,
    /// and for headers that ask the origin to take the request for another one.
    pub fn new(
        method: Method, scheme: Scheme, authority: Authority, path: &str, query: Option<&str>, headers: HeaderMap,
    ) -> Result<Self, Malformed> {
        if matches!(method, Method::CONNECT | Method::TRACE) {
            return Err(Malformed::Method(method.to_string()));
        }
        if let Some(name) = METHOD_OVERRIDES.into_iter().find(|name| headers.contains_key(*name)) {
            return Err(Malformed::Override(name));
        }
        Ok(Request {
            path: CanonicalPath::parse(path)?,
            query: Query::parse(query)?,
            method,
            scheme,
            authority,
            headers,
        })
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The authority: the CONNECT target, the SNI, the Host and the name dialled, which are one.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The path.
    pub fn path(&self) -> &CanonicalPath {
        &self.path
    }

    /// The query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The end-to-end headers, without credentials.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The text of a header that must have one value; `None` where it is absent or not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Path and query as they are sent.
    pub fn path_and_query(&self) -> String {
        match self.query.as_str() {
            Some(query) => format!("{}?{query}", self.path.as_str()),
            None => self.path.as_str().to_owned(),
        }
    }
}

/// Headers by which frameworks take a request for one of another method or path.
const METHOD_OVERRIDES: [&str; 5] =
    ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];

/// A request that can be read in more than one way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The host or port.
    #[error(transparent)]
    Authority(#[from] MalformedAuthority),
    /// The path.
    #[error(transparent)]
    Path(#[from] MalformedPath),
    /// The query.
    #[error(transparent)]
    Query(#[from] MalformedQuery),
    /// A method that is not forwarded.
    #[error("the method `{0}` is not forwarded")]
    Method(String),
    /// A header that changes what the request is.
    #[error("the header `{0}` asks the origin to take the request for another one")]
    Override(&'static str),
    /// Framing or a header that breaks RFC 9112 or RFC 9113.
    #[error("{0}")]
    Framing(&'static str),
}
