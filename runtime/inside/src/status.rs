//! How a gRPC call went: two trailers.
//! Source: <https://github.com/grpc/grpc/blob/master/doc/statuscodes.md> and PROTOCOL-HTTP2.md, "Status-Message".

use std::fmt;

use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::limits;

/// What a status message must not contain as it is.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

const CODE: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";

/// gRPC's codes, as far as either side uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    /// Done.
    Ok = 0,
    /// The caller gave up.
    Cancelled = 1,
    /// Anything that has no code here.
    Unknown = 2,
    /// The request can never be right.
    InvalidArgument = 3,
    /// The time was up.
    DeadlineExceeded = 4,
    /// No such program, process, file or folder.
    NotFound = 5,
    /// It is there already.
    AlreadyExists = 6,
    /// Not allowed.
    PermissionDenied = 7,
    /// Disk, memory, or one of our limits.
    ResourceExhausted = 8,
    /// It is there, and not in the state for this.
    FailedPrecondition = 9,
    /// No such method.
    Unimplemented = 12,
    /// Broken inside.
    Internal = 13,
    /// Not now.
    Unavailable = 14,
}

impl Code {
    const ALL: [Code; 13] = [
        Code::Ok,
        Code::Cancelled,
        Code::Unknown,
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
    ];

    /// Its name as in `filesystem.yaml`'s errors.
    pub fn name(self) -> &'static str {
        match self {
            Code::Ok => "OK",
            Code::Cancelled => "CANCELLED",
            Code::Unknown => "UNKNOWN",
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::NotFound => "NOT_FOUND",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Internal => "INTERNAL",
            Code::Unavailable => "UNAVAILABLE",
        }
    }
}

/// How a call went, in a code and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which kind.
    pub code: Code,
    /// What, where and what to do; empty where it went well.
    pub message: String,
}

impl Status {
    /// All went well.
    pub const OK: Status = Status { code: Code::Ok, message: String::new() };

    /// A status with its words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Status { code, message: message.into() }
    }

    /// As trailers, or as headers where there is no body.
    pub fn trailers(&self) -> HeaderMap {
        let mut trailers = HeaderMap::with_capacity(2);
        trailers.insert(CODE, HeaderValue::from(self.code as i32));
        let words = utf8_percent_encode(cut(&self.message), ENCODED).to_string();
        if let Ok(words) = HeaderValue::from_str(&words)
            && !words.is_empty()
        {
            trailers.insert(MESSAGE, words);
        }
        trailers
    }

    /// Reads what [`trailers`](Status::trailers) writes. Nothing where there is no status; control characters and
    /// what is too long are taken out of the words, since they are shown on terminals.
    pub fn from_trailers(trailers: &HeaderMap) -> Option<Self> {
        let number: i32 = trailers.get(CODE)?.to_str().ok()?.parse().ok()?;
        let code = Code::ALL.into_iter().find(|code| *code as i32 == number).unwrap_or(Code::Unknown);
        let words = trailers.get(MESSAGE).and_then(|words| words.to_str().ok()).unwrap_or_default();
        let words = percent_decode_str(words).decode_utf8_lossy();
        let shown: String = cut(&words).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Some(Status { code, message: shown })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

/// The start of `words`, at the end of a character.
fn cut(words: &str) -> &str {
    &words[..words.floor_char_boundary(limits::WORDS_OF_ERROR_BYTES)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_status_without_a_number_is_none() {
        let mut trailers = Status::OK.trailers();
        assert_eq!(Status::from_trailers(&trailers), Some(Status::OK));
        trailers.insert(CODE, HeaderValue::from_static("0x"));
        assert_eq!(Status::from_trailers(&trailers), None);
        trailers.insert(CODE, HeaderValue::from_static("99"));
        assert_eq!(Status::from_trailers(&trailers).unwrap().code, Code::Unknown);
    }

    #[test]
    fn words_cannot_drive_a_terminal() {
        let mut trailers = Status::new(Code::Internal, "").trailers();
        trailers.insert(MESSAGE, HeaderValue::from_static("a%1b[2Jb%0a%ff"));
        assert_eq!(Status::from_trailers(&trailers).unwrap().message, "a [2Jb \u{fffd}");
    }

    proptest! {
        #[test]
        fn words_come_out_as_they_went_in(words in "[^\\p{Cc}]{0,200}") {
            let status = Status::new(Code::NotFound, words);
            prop_assert_eq!(Status::from_trailers(&status.trailers()), Some(status));
        }
    }
}
