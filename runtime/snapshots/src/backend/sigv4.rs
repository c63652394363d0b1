//! AWS Signature Version 4 in the `Authorization` header, which signs the body too, so that the storage finds what was
//! changed on the way. (Addresses signed in their query, which `rusty-s3` makes, leave the body out.)

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::credentials::Credentials;

/// What is written as it is (RFC 3986, "Unreserved Characters").
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const SERVICE: &str = "s3";

/// Signs a request, whose address and body are final, and gives the headers that go with it. It needs no others.
pub(super) fn sign(
    (method, url, body): (&Method, &Url, &[u8]), credentials: &Credentials, region: &str, now: Timestamp,
) -> Option<HeaderMap> {
    let (time, day) = (now.strftime("%Y%m%dT%H%M%SZ").to_string(), now.strftime("%Y%m%d").to_string());
    let hash = hex::encode(Sha256::digest(body));
    let mut headers = vec![("host", host(url)?), ("x-amz-content-sha256", hash.clone()), ("x-amz-date", time.clone())];
    headers.extend(credentials.token().map(|token| ("x-amz-security-token", token.to_owned())));
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let request = format!("{method}\n{}\n{}\n{lines}\n{names}\n{hash}", url.path(), query(url));

    let scope = format!("{day}/{region}/{SERVICE}/aws4_request");
    let request = hex::encode(Sha256::digest(request));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{request}");
    let secret = Zeroizing::new(format!("AWS4{}", credentials.secret()));
    let mut key = keyed(secret.as_bytes(), &day)?;
    for part in [region, SERVICE, "aws4_request"] {
        key = keyed(&key, part)?;
    }
    let signature = hex::encode(keyed(&key, &text)?);
    let said = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credentials.key()
    );

    let mut signed = HeaderMap::new();
    for (name, value) in headers.into_iter().skip(1) {
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(name == "x-amz-security-token");
        signed.insert(HeaderName::from_static(name), value);
    }
    signed.insert(AUTHORIZATION, HeaderValue::from_str(&said).ok()?);
    Some(signed)
}

/// As the client writes it: with the port where it is not the scheme's own.
fn host(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// The query in order, and escaped the one way that counts.
fn query(url: &Url) -> String {
    let escaped = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
    let mut pairs: Vec<_> = url.query_pairs().map(|(name, value)| (escaped(&name), escaped(&value))).collect();
    pairs.sort();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn keyed(key: &[u8], text: &str) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text.as_bytes());
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AWS' own example, "GET Bucket (List Objects)" (Amazon S3 API Reference, "Signature Calculations for the
    /// Authorization Header").
    #[test]
    fn a_signature_is_what_aws_says() {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, None);
        let url = Url::parse("https://examplebucket.s3.amazonaws.com/?prefix=J&max-keys=2").unwrap();
        let now = "2013-05-24T00:00:00Z".parse().unwrap();
        let headers = sign((&Method::GET, &url, b""), &credentials, "us-east-1", now).unwrap();
        assert_eq!(
            headers[AUTHORIZATION],
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
             Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }

    #[test]
    fn a_token_is_signed_and_not_shown() {
        let credentials = Credentials::new("k", "s", Some("t"));
        let url = Url::parse("http://127.0.0.1:9000/b/k").unwrap();
        let now = "2013-05-24T00:00:00Z".parse().unwrap();
        let headers = sign((&Method::PUT, &url, b"x"), &credentials, "r", now).unwrap();
        assert_eq!(headers["x-amz-security-token"], "t");
        assert!(!format!("{headers:?}").contains("\"t\""));
        assert!(headers[AUTHORIZATION].to_str().unwrap().contains("x-amz-date;x-amz-security-token"));
    }
}
