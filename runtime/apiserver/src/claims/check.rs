//! What a claim may be, and what is said to one that gets no sandbox.

use exeat_api::{ObjectMeta, Reason, SandboxClaim, Time};
use exeat_lifecycle::Name;
use exeat_supervisor::Error;
use jiff::Timestamp;

use crate::failure::Failure;
use crate::metadata;
use crate::render;

/// Names of objects, as Kubernetes has them (RFC 1123 subdomains).
const NAME_BYTES: usize = 253;

/// The metadata of a new object.
pub(crate) fn new_metadata(namespace: &str, asked: ObjectMeta) -> Result<ObjectMeta, Failure> {
    Name::parse(namespace).map_err(|error| Failure::Invalid(error.to_string()))?;
    let own = metadata::namespace(&asked);
    if !own.is_empty() && own != namespace {
        let message = format!("the namespace `{own}` of the object is not `{namespace}` of the URL");
        return Err(Failure::Bad(message));
    }
    let prefix = asked.generate_name.as_deref().unwrap_or_default();
    let name = match metadata::name(&asked) {
        "" if prefix.is_empty() => return Err(Failure::Invalid("give it a `metadata.name`".to_owned())),
        "" => format!("{prefix}{}", random_hex::<3>()?),
        name => name.to_owned(),
    };
    let labels = name.split('.').all(|label| Name::parse(label).is_ok());
    if name.len() > NAME_BYTES || !labels {
        return Err(Failure::Invalid(format!(
            "`{}` is not a name: use lower case letters, digits, `-` and `.`",
            name.escape_debug()
        )));
    }
    Ok(ObjectMeta {
        name: Some(name),
        generate_name: asked.generate_name,
        namespace: Some(namespace.to_owned()),
        uid: Some(uid()?),
        generation: Some(1),
        creation_timestamp: Some(Time::of(Timestamp::now()).into()),
        labels: asked.labels,
        annotations: asked.annotations,
        ..ObjectMeta::default()
    })
}

/// A UUID of chance (RFC 9562, version 4).
fn uid() -> Result<String, Failure> {
    let hex = random_hex::<16>()?;
    Ok(format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]))
}

fn random_hex<const BYTES: usize>() -> Result<String, Failure> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Internal(error.to_string()))?;
    Ok(hex::encode(bytes))
}

/// Why a claim gets no sandbox, now or ever.
#[derive(Debug)]
pub(super) struct Hopeless {
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Hopeless {
    fn new(reason: Reason, message: impl ToString) -> Self {
        Hopeless { reason, message: message.to_string() }
    }

    pub(super) fn invalid(error: &impl ToString) -> Self {
        Hopeless::new(Reason::InvalidConfiguration, error.to_string())
    }

    pub(super) fn no_pool(claim: &SandboxClaim) -> Self {
        let (pool, namespace) = (&claim.spec.warm_pool_ref.name, metadata::namespace(&claim.metadata));
        let message = format!("there is no pool `{pool}` in namespace `{namespace}`; pools are made in exeat.toml");
        Hopeless::new(Reason::WarmPoolNotFound, message)
    }

    /// What the supervisor says. What may be otherwise later must not make the client give up.
    pub(super) fn of(error: &Error) -> Self {
        let reason = match error {
            Error::NotFound { kind, .. } if kind.contains("pool") => Reason::WarmPoolNotFound,
            Error::NotFound { .. } | Error::Input(_) | Error::Exists(_) | Error::Unusable(_) => {
                Reason::InvalidConfiguration
            }
            Error::Expired(_) => Reason::ClaimExpired,
            Error::Refused(_) => Reason::SandboxNotReady,
            Error::Full(_) | Error::Failed(_) => Reason::ReconcilerError,
        };
        Hopeless::new(reason, error)
    }
}

/// What can be said of a claim without the supervisor.
pub(super) fn check(claim: &SandboxClaim, now: Timestamp) -> Result<(), Hopeless> {
    if render::over(claim, now) {
        return Err(Hopeless::new(Reason::ClaimExpired, "its time is over"));
    }
    if !claim.spec.volume_claim_templates.is_empty() {
        let message = "there are no volumes without Kubernetes: a sandbox keeps its own disk";
        return Err(Hopeless::new(Reason::VolumeClaimTemplatesError, message));
    }
    for env in &claim.spec.env {
        let bad = |letter: char| letter == '=' || letter.is_control();
        if env.name.is_empty() || env.name.contains(bad) || env.value.contains('\0') {
            let message = format!("`{}` cannot be a variable", env.name.escape_debug());
            return Err(Hopeless::new(Reason::EnvVarsInjectionRejected, message));
        }
    }
    Ok(())
}
