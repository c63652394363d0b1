//! Who may use a bucket.

use zeroize::Zeroizing;

use crate::error::Error;

/// Who may use a bucket.
#[derive(Clone)]
pub struct Credentials {
    key: String,
    secret: Zeroizing<String>,
    token: Option<Zeroizing<String>>,
}

impl Credentials {
    /// An access key, and the session's token where it is a temporary one.
    #[must_use]
    pub fn new(key: &str, secret: &str, token: Option<&str>) -> Self {
        let token = token.map(|token| token.to_owned().into());
        Self { key: key.to_owned(), secret: secret.to_owned().into(), token }
    }

    /// Those in `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, where it is set, `AWS_SESSION_TOKEN`.
    ///
    /// # Errors
    /// [`Error::Settings`] names the variable that is missing.
    pub fn from_environment() -> Result<Self, Error> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let missing = |name: &str| Error::Settings(format!("`{name}` is not set, and a bucket needs credentials"));
        let needed = |name: &str| variable(name).ok_or_else(|| missing(name));
        let token = variable("AWS_SESSION_TOKEN").map(Zeroizing::new);
        let secret = Zeroizing::new(needed("AWS_SECRET_ACCESS_KEY")?);
        Ok(Self { key: needed("AWS_ACCESS_KEY_ID")?, secret, token })
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.as_str())
    }
}
