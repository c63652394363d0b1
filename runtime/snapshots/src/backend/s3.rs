//! A bucket of S3, or of what speaks like it.
//!
//! It has to be strongly consistent, as S3 has been since 2020, and to know `If-None-Match: *` on a PUT.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH};
use reqwest::{Method, Response, StatusCode, Url};
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, S3Action, UrlStyle};

use super::connection::{client, described, is_loopback};
use super::credentials::Credentials;
use super::refusal::{element, explained};
use super::{Object, sigv4, too_many};
use crate::config::S3Config;
use crate::error::{Damage, Error, Fault};
use crate::limits;

/// `rusty-s3` asks for a duration even where it signs nothing.
const UNSIGNED: Duration = Duration::from_secs(1);

/// Objects in a bucket.
#[derive(Clone)]
pub(crate) struct S3(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    bucket: Bucket,
    endpoint: String,
    credentials: Credentials,
    /// With a `/` at its end, or empty.
    prefix: String,
}

/// What a request is.
struct Request<'a> {
    doing: &'static str,
    method: Method,
    key: &'a str,
    url: Url,
    body: Bytes,
    only_new: bool,
    /// The answer's body, in bytes.
    most: u64,
}

/// What a request came to.
struct Answer {
    status: StatusCode,
    body: Bytes,
    /// Whether an earlier try may have been carried out.
    again: bool,
}

/// What went wrong, and whether another try may help.
enum Failed {
    Final(Error),
    Passing(Error),
}

impl S3 {
    /// Opens a bucket, and looks whether it may be read.
    pub(crate) async fn open(config: &S3Config, credentials: Credentials) -> Result<Self, Error> {
        let (bucket, endpoint) = address(config)?;
        let ca = match &config.ca_file {
            None => None,
            Some(path) => Some(std::fs::read(path).map_err(|error| {
                Error::Settings(format!("`ca_file`, which is `{}`, cannot be read: {error}", path.display()))
            })?),
        };
        let loopback = bucket.base_url().host_str().is_some_and(is_loopback);
        let http = client(ca.as_deref(), loopback).map_err(Error::Settings)?;
        let prefix = config.checked_prefix()?;
        let s3 = Self(Arc::new(Inner { http, bucket, endpoint, credentials, prefix }));
        s3.folders().await?;
        Ok(s3)
    }

    pub(super) async fn get(&self, key: &str, most: u64) -> Result<Option<Bytes>, Error> {
        let request = self.request("read", Method::GET, key, Bytes::new(), most);
        let answer = self.send(&request).await?;
        Ok((answer.status != StatusCode::NOT_FOUND).then_some(answer.body))
    }

    pub(super) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        let request = self.request("write", Method::PUT, key, bytes, limits::ANSWER_BYTES);
        self.send(&request).await.and_then(|answer| self.there(&request, &answer))
    }

    pub(super) async fn create(&self, key: &str, bytes: Bytes) -> Result<bool, Error> {
        let mut request = self.request("write", Method::PUT, key, bytes, limits::ANSWER_BYTES);
        request.only_new = true;
        let answer = self.send(&request).await?;
        self.there(&request, &answer)?;
        if answer.status != StatusCode::PRECONDITION_FAILED {
            return Ok(true);
        }
        // An earlier try of this request may have written it, and its answer was lost.
        let written = if answer.again { self.get(key, request.body.len() as u64).await? } else { None };
        Ok(written.is_some_and(|written| written == request.body))
    }

    pub(super) async fn has(&self, key: &str) -> Result<bool, Error> {
        let request = self.request("look for", Method::HEAD, key, Bytes::new(), 0);
        Ok(self.send(&request).await?.status != StatusCode::NOT_FOUND)
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), Error> {
        let request = self.request("remove", Method::DELETE, key, Bytes::new(), limits::ANSWER_BYTES);
        self.send(&request).await.map(drop)
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Object>, Error> {
        let folder = format!("{}{folder}/", self.0.prefix);
        let (mut objects, mut from) = (Vec::new(), None);
        loop {
            let page = self.page(&folder, from).await?;
            for object in page.contents {
                let name = object.key.strip_prefix(&folder).unwrap_or_default();
                let modified = object.last_modified.as_deref().and_then(time);
                let modified = modified.ok_or_else(|| self.broken("list", &folder))?;
                if !name.is_empty() {
                    objects.push(Object { name: name.to_owned(), size: object.size.unwrap_or_default(), modified });
                }
            }
            if objects.len() > limits::LISTED {
                return Err(self.failed("list", &folder, too_many(&folder)));
            }
            match page.next_continuation_token {
                Some(token) => from = Some(token),
                None => return Ok(objects),
            }
        }
    }

    pub(super) async fn folders(&self) -> Result<Vec<String>, Error> {
        let (mut folders, mut from) = (Vec::new(), None);
        loop {
            let page = self.page(&self.0.prefix, from).await?;
            let names = page.common_prefixes.iter().filter_map(|folder| folder.prefix.strip_prefix(&self.0.prefix));
            folders.extend(names.map(|name| name.trim_end_matches('/').to_owned()));
            if folders.len() > limits::LISTED {
                return Err(self.failed("list", &self.0.prefix, too_many(&self.0.prefix)));
            }
            match page.next_continuation_token {
                Some(token) => from = Some(token),
                None => return Ok(folders),
            }
        }
    }

    async fn page(
        &self, folder: &str, from: Option<String>,
    ) -> Result<rusty_s3::actions::ListObjectsV2Response, Error> {
        let mut list = ListObjectsV2::new(&self.0.bucket, None);
        list.with_prefix(folder);
        list.with_delimiter("/");
        if let Some(token) = from {
            list.with_continuation_token(token);
        }
        let url = list.sign(UNSIGNED);
        let (method, body, most) = (Method::GET, Bytes::new(), limits::LIST_BYTES);
        let request = Request { doing: "list", method, key: folder, url, body, only_new: false, most };
        let answer = self.send(&request).await?;
        self.there(&request, &answer)?;
        let text = std::str::from_utf8(&answer.body).map_err(|_| self.broken("list", folder))?;
        ListObjectsV2::parse_response(text).map_err(|_| self.broken("list", folder))
    }

    fn request<'a>(&self, doing: &'static str, method: Method, key: &'a str, body: Bytes, most: u64) -> Request<'a> {
        let url = self.0.bucket.object_url(&format!("{}{key}", self.0.prefix));
        Request { doing, method, key, url, body, only_new: false, most }
    }

    /// Sends a request until it is answered, or has failed too often. 404 and 412 are answers.
    async fn send(&self, request: &Request<'_>) -> Result<Answer, Error> {
        let mut pause = limits::RETRY_PAUSE;
        for tries in 1.. {
            match self.attempt(request).await {
                Ok((status, body)) => return Ok(Answer { status, body, again: tries > 1 }),
                Err(Failed::Passing(_)) if tries < limits::TRIES => tokio::time::sleep(pause).await,
                Err(Failed::Final(error) | Failed::Passing(error)) => return Err(error),
            }
            pause *= 2;
        }
        Err(self.broken(request.doing, request.key))
    }

    async fn attempt(&self, request: &Request<'_>) -> Result<(StatusCode, Bytes), Failed> {
        let large = (request.body.len() as u64).max(request.most) / (1024 * 1024);
        let limit = limits::CALL + limits::CALL_PER_MIB * u32::try_from(large).unwrap_or(u32::MAX);
        let exchange = tokio::time::timeout(limit, self.exchange(request)).await;
        exchange.unwrap_or_else(|_| {
            let why = format!("no answer within {} seconds", limit.as_secs());
            Err(Failed::Passing(self.failed(request.doing, request.key, why)))
        })
    }

    async fn exchange(&self, request: &Request<'_>) -> Result<(StatusCode, Bytes), Failed> {
        let signed = (&request.method, &request.url, &*request.body);
        let headers = sigv4::sign(signed, &self.0.credentials, self.0.bucket.region(), Timestamp::now());
        let Some(mut headers) = headers else {
            let why = "the credentials hold characters that none have: correct `AWS_ACCESS_KEY_ID` and the others";
            return Err(Failed::Final(self.failed(request.doing, request.key, why)));
        };
        if request.only_new {
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        let sent = self.http(request, headers).send().await.map_err(|error| self.lost(request, error))?;
        let status = sent.status();
        let answered = matches!(status, StatusCode::NOT_FOUND | StatusCode::PRECONDITION_FAILED);
        if status.is_success() || (answered && request.method == Method::HEAD) {
            let body = self
                .read(request, sent, request.most)
                .await?
                .ok_or_else(|| Failed::Final(Damage::of(request.key, Fault::Long(request.most)).into()))?;
            return Ok((status, body));
        }
        let said = self.read(request, sent, limits::ANSWER_BYTES).await?.unwrap_or_default();
        let (code, message) = (element(&said, "Code"), element(&said, "Message"));
        if answered && code != "NoSuchBucket" {
            return Ok((status, Bytes::new()));
        }
        let passes = status.is_server_error()
            || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT);
        let failed = self.failed(request.doing, request.key, explained(&self.0.bucket, status, &code, &message));
        Err(if passes { Failed::Passing(failed) } else { Failed::Final(failed) })
    }

    fn http(&self, request: &Request<'_>, headers: HeaderMap) -> reqwest::RequestBuilder {
        let builder = self.0.http.request(request.method.clone(), request.url.clone()).headers(headers);
        if request.method != Method::PUT {
            return builder;
        }
        // An empty body would go without its length, which S3 asks for.
        let length = HeaderName::from_static("content-length");
        builder.header(length, request.body.len()).body(request.body.clone())
    }

    /// The body; nothing where it is longer than `most`.
    async fn read(&self, request: &Request<'_>, mut answer: Response, most: u64) -> Result<Option<Bytes>, Failed> {
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| self.lost(request, error))? {
            if (body.len() + piece.len()) as u64 > most {
                return Ok(None);
            }
            body.extend_from_slice(&piece);
        }
        Ok(Some(body.into()))
    }

    fn lost(&self, request: &Request<'_>, error: reqwest::Error) -> Failed {
        let lasting = error.is_builder();
        let failed = self.failed(request.doing, request.key, described(error));
        if lasting { Failed::Final(failed) } else { Failed::Passing(failed) }
    }

    /// Refuses a 404 where there has to be something.
    fn there(&self, request: &Request<'_>, answer: &Answer) -> Result<(), Error> {
        if answer.status == StatusCode::NOT_FOUND {
            return Err(self.failed(request.doing, request.key, "it answers 404"));
        }
        Ok(())
    }

    fn broken(&self, doing: &'static str, key: &str) -> Error {
        self.failed(doing, key, "its answer is not one of S3")
    }

    fn failed(&self, doing: &'static str, key: &str, why: impl Into<String>) -> Error {
        let place = format!("bucket `{}` at `{}`", self.0.bucket.name(), self.0.endpoint);
        Error::Storage { place, doing, key: key.to_owned(), why: why.into() }
    }
}

/// The bucket as an address, and the endpoint that it is at.
fn address(config: &S3Config) -> Result<(Bucket, String), Error> {
    let endpoint = config.endpoint.clone().unwrap_or_else(|| format!("https://s3.{}.amazonaws.com", config.region));
    let unusable = |why: String| Error::Settings(format!("`endpoint` is `{endpoint}`, which {why}"));
    let url = Url::parse(&endpoint).map_err(|error| unusable(format!("is no address: {error}")))?;
    if url.scheme() != "https" && !url.host_str().is_some_and(is_loopback) && !config.plain_http {
        return Err(unusable("is not encrypted: use `https`, or allow it with `plain_http`".into()));
    }
    let style = if config.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
    let bucket = Bucket::new(url, style, config.bucket.clone(), config.region.clone());
    let bucket = bucket.map_err(|error| {
        unusable(format!("cannot be used with bucket `{}`: {error}; it may need `path_style`", config.bucket))
    })?;
    Ok((bucket, endpoint))
}

/// A time as lists have it.
fn time(text: &str) -> Option<SystemTime> {
    let milliseconds = text.parse::<Timestamp>().ok()?.as_millisecond();
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(u64::try_from(milliseconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_a_part_of_the_host_or_of_the_path() {
        let at = |endpoint: Option<&str>, path_style, plain_http| {
            let config = S3Config {
                bucket: "snapshots".into(),
                region: "eu-west-1".into(),
                endpoint: endpoint.map(str::to_owned),
                prefix: String::new(),
                path_style,
                plain_http,
                ca_file: None,
            };
            address(&config).map(|(bucket, _)| bucket.object_url("a/b").to_string()).map_err(|error| error.to_string())
        };
        let own = "https://storage.test:9000";
        assert_eq!(at(None, false, false).unwrap(), "https://snapshots.s3.eu-west-1.amazonaws.com/a/b");
        assert_eq!(at(None, true, false).unwrap(), "https://s3.eu-west-1.amazonaws.com/snapshots/a/b");
        assert_eq!(at(Some(own), false, false).unwrap(), "https://snapshots.storage.test:9000/a/b");
        assert_eq!(at(Some(own), true, false).unwrap(), "https://storage.test:9000/snapshots/a/b");
        assert_eq!(at(Some("http://storage.test"), true, true).unwrap(), "http://storage.test/snapshots/a/b");
        assert_eq!(at(Some("http://[::1]:9000"), true, false).unwrap(), "http://[::1]:9000/snapshots/a/b");
        for (endpoint, said) in [
            ("http://storage.test", "allow it with `plain_http`"),
            ("http://127.0.0.1:9000", "it may need `path_style`"),
            ("ftp://storage.test", "is not encrypted"),
            ("storage.test", "is no address"),
        ] {
            let error = at(Some(endpoint), false, false).unwrap_err();
            assert!(error.contains(said) && error.contains(endpoint), "{endpoint}: {error}");
        }
    }
}
