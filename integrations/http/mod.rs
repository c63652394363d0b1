//! Any HTTP service: two actions, on the endpoint that the request goes to.

use std::sync::LazyLock;

use exeat_core::{Action, Answer, Authority, Integration, Operation, Refusal, Request, Unreadable};
use http::Method;
use serde_json::json;

use crate::endpoint::{lineage, refuse_encoded_slash, with_advice};
use crate::manifest::{ConfigError, Manifest, Parsed, parsed};

pub(crate) static MANIFEST: Parsed = LazyLock::new(|| toml::from_str(include_str!("manifest.toml")));

/// What is left where no integration knows better. It claims every authority.
pub struct Http {
    manifest: &'static Manifest,
    read: Action,
    write: Action,
}

impl Http {
    /// The integration; it has no settings.
    ///
    /// # Errors
    /// [`ConfigError::Manifest`], which the tests rule out.
    pub fn new() -> Result<Self, ConfigError> {
        let manifest = parsed("http", &MANIFEST)?;
        Ok(Http { manifest, read: manifest.action("read")?, write: manifest.action("write")? })
    }
}

impl Integration for Http {
    fn name(&self) -> &'static str {
        &self.manifest.name
    }

    fn schema(&self) -> &str {
        include_str!("schema.cedarschema")
    }

    fn claims(&self, _: &Authority) -> bool {
        true
    }

    fn classify(&self, request: &Request, _: &[u8]) -> Result<Vec<Operation>, Unreadable> {
        refuse_encoded_slash(request)?;
        let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let action = if safe { &self.read } else { &self.write };
        Ok(vec![Operation::new(action.clone(), lineage(request))])
    }
    /// `error` is a string: so most clients show it, whatever protocol they speak to a host that is not known here.
    fn refuse(&self, _: &Request, _: &[u8], refusal: &Refusal) -> Answer {
        Answer::json_with(refusal, json!({ "error": with_advice(refusal), "exeat": refusal.to_json() }))
    }
}

#[cfg(test)]
mod tests {
    use exeat_core::{Cause, Scheme};
    use http::HeaderMap;

    use super::*;

    #[test]
    fn a_client_of_any_protocol_can_show_why() {
        let authority = Authority::parse("npm.example.org", 443).unwrap();
        let request = Request::new(Method::GET, Scheme::Https, authority, "/left-pad", None, HeaderMap::new()).unwrap();
        let mut refusal = Refusal::new(Cause::Overloaded);
        refusal.advice = Some("try later".to_owned());
        let answer = Http::new().unwrap().refuse(&request, b"", &refusal);
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["error"], "exeat: too many requests are under way (try later)");
        assert_eq!(body["exeat"]["code"], "overloaded");
    }
}
