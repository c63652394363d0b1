//! From what a client sent to the one form that is judged: names that agree, headers that are end to end.

use exeat_core::{Authority, Cause, Malformed, Request, Scheme};
use exeat_credentials::Credentials;
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

use crate::door::not_a_proxy_request;
use crate::framing::{Violation, is_misleading};

/// Where a request is for, by the way that it came.
pub(crate) struct Arrived {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    pub(crate) through_tunnel: bool,
}

/// Headers for one hop only (RFC 9110, section 7.6.1), those that HTTP libraries write anew, and those by which an origin would
/// send the client somewhere that it cannot go.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::ALT_SVC,
];
const HOP_BY_HOP_UNREGISTERED: [&str; 2] = ["keep-alive", "proxy-connection"];

/// The authority that CONNECT names, and nothing else of the request may name another.
pub(crate) fn connect_target<B>(request: &hyper::Request<B>) -> Result<Authority, Cause> {
    let target = request.uri().authority().ok_or_else(not_a_proxy_request)?;
    if target.port().is_none() {
        return Err(Cause::Malformed(Malformed::Framing("CONNECT needs a port (RFC 9110, section 9.3.6)")));
    }
    let authority = Authority::parse(target.as_str(), Scheme::Https.default_port()).map_err(Malformed::from)?;
    agree(request, &authority, Scheme::Https)?;
    Ok(authority)
}

/// Scheme and authority of a request in absolute-form.
pub(crate) fn absolute_target<B>(request: &hyper::Request<B>) -> Result<(Scheme, Authority), Cause> {
    let (Some(scheme), Some(authority)) = (request.uri().scheme_str(), request.uri().authority()) else {
        return Err(not_a_proxy_request());
    };
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(not_a_proxy_request()),
    };
    let authority = Authority::parse(authority.as_str(), scheme.default_port()).map_err(Malformed::from)?;
    agree(request, &authority, scheme)?;
    Ok((scheme, authority))
}

/// Every name that the request gives for its destination is `authority`.
fn agree<B>(request: &hyper::Request<B>, authority: &Authority, scheme: Scheme) -> Result<(), Cause> {
    for host in request.headers().get_all(header::HOST) {
        let named = host.to_str().unwrap_or_default();
        // CONNECT's own Host has the target's port, or none (RFC 9110, section 9.3.6, and what clients do).
        let default_port =
            if request.method() == http::Method::CONNECT { authority.port } else { scheme.default_port() };
        let same = Authority::parse(named, default_port).is_ok_and(|named| named == *authority);
        if !same {
            return Err(Cause::Misdirected(authority.to_string(), named.escape_debug().to_string()));
        }
    }
    Ok(())
}

/// The canonical request. Its headers are end to end, its credentials are gone.
pub(crate) fn request<B>(
    arrived: Arrived, request: &hyper::Request<B>, credentials: &Credentials,
) -> Result<Request, Cause> {
    let Arrived { scheme, authority, through_tunnel } = arrived;
    if through_tunnel {
        agree_in_tunnel(request, &authority, scheme)?;
    }
    let mut headers = end_to_end(request.headers())?;
    credentials.strip(&authority, &mut headers);
    let uri = request.uri();
    Ok(Request::new(request.method().clone(), scheme, authority, uri.path(), uri.query(), headers)?)
}

/// In a tunnel a request is in origin-form (HTTP/1.1) or names the tunnel's own authority (HTTP/2).
fn agree_in_tunnel<B>(request: &hyper::Request<B>, authority: &Authority, scheme: Scheme) -> Result<(), Cause> {
    agree(request, authority, scheme)?;
    let uri = request.uri();
    if request.version() != Version::HTTP_2 {
        return match uri.authority() {
            None => Ok(()),
            Some(_) => Err(Cause::Malformed(Malformed::Framing(
                "a request in a tunnel is in origin-form (RFC 9112, section 3.2.1)",
            ))),
        };
    }
    let named = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let same = Authority::parse(named, scheme.default_port()).is_ok_and(|named| named == *authority);
    if !same || uri.scheme_str() != Some(scheme.as_str()) {
        return Err(Cause::Misdirected(authority.to_string(), named.escape_debug().to_string()));
    }
    Ok(())
}

/// The headers that are meant for the other end.
pub(crate) fn end_to_end(received: &HeaderMap) -> Result<HeaderMap, Cause> {
    if received.contains_key(header::UPGRADE) {
        return Err(Cause::Malformed(Malformed::Framing("upgrades (WebSocket, h2c) are not forwarded")));
    }
    if received.keys().any(|name| is_misleading(name.as_str())) {
        return Err(Cause::Malformed(Malformed::Framing(Violation::HeaderName.explanation())));
    }
    let mut headers = without_hop_by_hop(received);
    // HTTP/2 may split a cookie over several fields (RFC 9113, section 8.2.3); HTTP/1.1 may not.
    if headers.get_all(header::COOKIE).iter().nth(1).is_some() {
        let crumbs: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
            headers.insert(header::COOKIE, joined);
        }
    }
    Ok(headers)
}

/// A copy without what was meant for this hop, in requests and responses alike.
pub(crate) fn without_hop_by_hop(received: &HeaderMap) -> HeaderMap {
    let mut headers = received.clone();
    for options in received.get_all(header::CONNECTION) {
        for option in options.to_str().unwrap_or_default().split(',') {
            if let Ok(name) = option.trim().parse::<HeaderName>() {
                headers.remove(name);
            }
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    for name in HOP_BY_HOP_UNREGISTERED {
        headers.remove(name);
    }
    headers
}
