//! The running gateway's API, as these commands use it.

use std::path::Path;

use exeat_control::{Client, ClientError};
use exeat_inside::client::Inside;
use exeat_service::SANDBOX;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::config::Config;
use crate::gateway;
use crate::problem::Problem;
use crate::state::State;

/// A gateway that answers.
pub(super) struct Api {
    pub(super) config: Config,
    client: Client,
}

impl Api {
    /// The configured gateway, which is started where it does not run.
    pub(super) async fn reach(path: Option<&Path>) -> Result<Self, Problem> {
        let config = Config::read(path)?;
        let state = State::of(&config)?;
        let client = gateway::reach(path, &config, &state).await?;
        Ok(Api { config, client })
    }

    pub(super) async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, Problem> {
        self.client.ask(Method::GET, path, None::<&()>).await.map_err(problem)
    }

    pub(super) async fn post<A: DeserializeOwned>(
        &self, path: &str, question: &(impl Serialize + Sync),
    ) -> Result<A, Problem> {
        self.client.ask(Method::POST, path, Some(question)).await.map_err(problem)
    }

    pub(super) async fn patch<A: DeserializeOwned>(
        &self, path: &str, question: &(impl Serialize + Sync),
    ) -> Result<A, Problem> {
        self.client.ask(Method::PATCH, path, Some(question)).await.map_err(problem)
    }

    pub(super) async fn delete(&self, path: &str) -> Result<(), Problem> {
        self.client.ask(Method::DELETE, path, None::<&()>).await.map_err(problem)
    }

    /// A sandbox's own sandboxd. The sandbox is woken by the first request.
    pub(super) async fn inside(&self, namespace: &str, name: &str) -> Result<Inside, Problem> {
        let who = HeaderValue::from_str(&format!("{namespace}/{name}"));
        let who = who.map_err(|_| Problem::input(format!("`{}` is no name of a sandbox", name.escape_debug())))?;
        let stream = UnixStream::connect(self.client.socket()).await.map_err(Problem::failure)?;
        let inside = Inside::over(stream).await.map_err(inside_problem)?;
        Ok(inside.marked(HeaderName::from_static(SANDBOX), who))
    }
}

/// The path of a sandbox in the API.
pub(super) fn sandbox_path(namespace: &str, name: &str, rest: &str) -> String {
    format!("/v1/sandboxes/{}{rest}?namespace={}", encoded(name), encoded(namespace))
}

/// A text as a part of a path.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string().replace("%2D", "-")
}

/// What the gateway said, for people.
fn problem(error: ClientError) -> Problem {
    let ClientError::Said { status, code, message } = error else { return Problem::failure(error) };
    let problem = match status {
        StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => Problem::input(message),
        _ => Problem::failure(message),
    };
    match code.as_str() {
        "not-found" => problem.advise("`exeat sandbox list` and `exeat sandbox snapshots` show what there is"),
        "exists" => problem.advise("choose another name, or delete that one first"),
        "expired" => problem.advise("`exeat sandbox resume NAME --ttl 8h` gives it more time"),
        "unusable" => problem.advise("add `--disk` to go on without the memory"),
        "full" => problem.advise("delete snapshots or sandboxes that nobody needs: `exeat sandbox snapshots`"),
        _ => problem,
    }
}

/// What went wrong inside, or on the way there, for people.
pub(super) fn inside_problem(error: exeat_inside::client::Error) -> Problem {
    use exeat_inside::client::Error;
    use exeat_inside::status::Code;
    match error {
        Error::Refused(status) => match status.code {
            Code::NotFound | Code::InvalidArgument => Problem::input(status.message),
            _ => Problem::failure(status.message),
        },
        Error::Lost(_) => Problem::failure("the connection to the sandbox is lost")
            .advise("it was paused, saved or ended; `exeat sandbox show` says what it is now"),
        other => Problem::failure(other),
    }
}
