//! What a storage says where it refuses, and what helps.

use reqwest::StatusCode;
use rusty_s3::Bucket;

use crate::limits;

/// What a refusal means for whoever set it up.
pub(super) fn explained(bucket: &Bucket, status: StatusCode, code: &str, message: &str) -> String {
    let (name, region) = (bucket.name(), bucket.region());
    let hint = match (code, status) {
        ("NoSuchBucket", _) => format!("there is no bucket `{name}`: create it, or correct `bucket`"),
        ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken", _) => {
            "the credentials are refused: check `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`"
                .to_owned()
        }
        ("RequestTimeTooSkewed", _) => "this machine's clock is wrong: set it".to_owned(),
        ("AuthorizationHeaderMalformed", _) | (_, StatusCode::MOVED_PERMANENTLY | StatusCode::TEMPORARY_REDIRECT) => {
            format!("bucket `{name}` is not in region `{region}`: correct `region` or `endpoint`")
        }
        (_, StatusCode::FORBIDDEN) => format!(
            "access is denied: on bucket `{name}` these are needed: s3:ListBucket, s3:GetObject, s3:PutObject, \
             s3:DeleteObject"
        ),
        _ => String::new(),
    };
    let message: String = message.chars().take(limits::SHOWN_BYTES).collect();
    let said = format!("it answers {} {}: {}", status.as_u16(), code.escape_debug(), message.escape_debug());
    if hint.is_empty() { said } else { format!("{hint} ({said})") }
}

/// An element of S3's error document, which is two levels deep and never has attributes.
pub(super) fn element(document: &[u8], name: &str) -> String {
    let text = String::from_utf8_lossy(document);
    let begin = format!("<{name}>");
    let found = text.split_once(&begin).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
    found.map(|(text, _)| text.to_owned()).unwrap_or_default()
}
