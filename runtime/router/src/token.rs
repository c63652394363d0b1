//! The one token that opens the API server and the router.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of chance in a token.
const RANDOM_BYTES: usize = 32;
/// A token's file is not longer than this; more is no token.
const FILE_BYTES: u64 = 1024;

/// The token. It neither prints nor compares in a time that tells where it differs.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Reads the token's file, or makes one that only its owner can read. The file is on the disk before this returns.
    ///
    /// # Errors
    /// The file cannot be read or made, others can read it, or there is no token in it.
    pub fn open(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(file) => Token::read(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Token::make(path),
            Err(error) => Err(error),
        }
    }

    fn read(file: File) -> io::Result<Self> {
        if file.metadata()?.mode() & 0o077 != 0 {
            return Err(io::Error::other(
                "others can read the token: `chmod 600` the file, or delete it for a new one",
            ));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(FILE_BYTES).read_to_string(&mut text)?;
        let token = text.trim();
        if token.len() < RANDOM_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(io::Error::other("there is no token in the file: delete it, and a new one is made"));
        }
        Ok(Token(Zeroizing::new(token.to_owned())))
    }

    fn make(path: &Path) -> io::Result<Self> {
        let mut random = Zeroizing::new([0; RANDOM_BYTES]);
        getrandom::fill(&mut *random).map_err(io::Error::other)?;
        let token = Zeroizing::new(hex::encode(*random));
        // Under another name first: whoever finds the file finds all of it.
        let new = path.with_extension("new");
        let _ = std::fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(token.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(Token(token))
    }

    /// Whether a request shows the token: as a bearer token, or as the password of basic authentication, which is what
    /// a URL with a user in it becomes.
    pub fn permits(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some((scheme, shown)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else { return false };
        let shown = shown.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.is(shown.as_bytes());
        }
        let decoded = if scheme.eq_ignore_ascii_case("basic") { STANDARD.decode(shown).ok() } else { None };
        let decoded = Zeroizing::new(decoded.unwrap_or_default());
        let mut parts = decoded.splitn(2, |&byte| byte == b':');
        parts.nth(1).is_some_and(|password| self.is(password))
    }

    /// The token itself, for a file that only its owner can read.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use http::HeaderValue;

    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn the_token_is_made_once_and_shown_in_either_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let token = Token::open(&path).unwrap();
        assert_eq!(token.expose(), Token::open(&path).unwrap().expose());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let basic = |user: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{}", token.expose())));
        for good in [format!("Bearer {}", token.expose()), basic("exeat"), basic("")] {
            assert!(token.permits(&headers(&good)), "{good}");
        }
        let short = &token.expose()[1..];
        for bad in [format!("Bearer {short}"), "Bearer".into(), "Bearer ".into(), "Basic Og==".into(), "Basic !".into()]
        {
            assert!(!token.permits(&headers(&bad)), "{bad}");
        }
        assert!(!token.permits(&HeaderMap::new()));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        Token::open(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Token::open(&path).is_err());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Token::open(&path).is_err());
    }
}
