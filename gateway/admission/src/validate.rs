//! Whether an object means something, before it is stored.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use exeat_api::{Credential, EgressPolicy};
use exeat_kubernetes::{check_credential, check_policy};
use exeat_policy::Source;
use kube::api::ListParams;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview, Operation};
use kube::core::{DynamicObject, Status};
use kube::{Api, Client, ResourceExt};
use serde::de::DeserializeOwned;

/// How long the list of a namespace's policies may take.
const LIST_TIME: Duration = Duration::from_secs(5);

/// Who knows the other policies of a namespace.
pub trait Neighbours: Send + Sync + 'static {
    /// All that are stored there.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn of<'a>(
        &'a self, namespace: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<EgressPolicy>, String>> + Send + 'a>>;
}

impl Neighbours for Client {
    fn of<'a>(
        &'a self, namespace: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<EgressPolicy>, String>> + Send + 'a>> {
        Box::pin(async move {
            let api: Api<EgressPolicy> = Api::namespaced(self.clone(), namespace);
            match tokio::time::timeout(LIST_TIME, api.list(&ListParams::default())).await {
                Ok(Ok(list)) => Ok(list.items),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("the Kubernetes API does not answer".to_owned()),
            }
        })
    }
}

/// Says of objects whether they may be stored.
pub struct Validator {
    source: Source,
    neighbours: Arc<dyn Neighbours>,
}

/// Why an object may not be stored.
enum No {
    /// It is wrong, and where.
    Wrong(String),
    /// Nobody can tell for now.
    Unknown(String),
}

impl Validator {
    /// `source` is the folder of policies that hold in every namespace, in the words of all integrations.
    pub fn new(source: Source, neighbours: Arc<dyn Neighbours>) -> Self {
        Validator { source, neighbours }
    }

    /// Answers one review.
    pub async fn answer(&self, review: AdmissionReview<DynamicObject>) -> AdmissionReview<DynamicObject> {
        let request: AdmissionRequest<DynamicObject> = match review.try_into() {
            Ok(request) => request,
            Err(_) => return AdmissionResponse::invalid("a review without a request").into_review(),
        };
        let mut response = AdmissionResponse::from(&request);
        match self.judge(&request).await {
            Ok(()) => {}
            Err(No::Wrong(why)) => response = refused(response, &why, "Invalid", 422),
            Err(No::Unknown(why)) => response = refused(response, &why, "ServiceUnavailable", 503),
        }
        response.into_review()
    }

    async fn judge(&self, request: &AdmissionRequest<DynamicObject>) -> Result<(), No> {
        let Some(object) = &request.object else { return Ok(()) };
        if !matches!(request.operation, Operation::Create | Operation::Update) {
            return Ok(());
        }
        // What is going is let go, and what is as it was may be labelled, however it got there.
        let same = request.old_object.as_ref().is_some_and(|old| old.data.get("spec") == object.data.get("spec"));
        if same || object.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        match request.kind.kind.as_str() {
            "EgressPolicy" => self.judge_policy(read(object)?).await,
            "Credential" => judge_credential(&read(object)?),
            // The configuration sends nothing else; what it sends by mistake is not ours to refuse.
            _ => Ok(()),
        }
    }

    async fn judge_policy(&self, policy: EgressPolicy) -> Result<(), No> {
        let namespace = policy.namespace().unwrap_or_default();
        let others = self.neighbours.of(&namespace).await;
        let others = others.map_err(|why| {
            No::Unknown(format!("the other policies of namespace `{namespace}` cannot be read: {why}"))
        })?;
        let source = self.source.clone();
        // Parsing and validating is work for the processor alone.
        let checked = tokio::task::spawn_blocking(move || check_policy(&source, &policy, &others)).await;
        match checked {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(why)) => Err(No::Wrong(format!("spec.cedar: {why}"))),
            Err(_) => Err(No::Unknown("the policy could not be checked".to_owned())),
        }
    }
}

fn judge_credential(credential: &Credential) -> Result<(), No> {
    check_credential(&credential.name_any(), &credential.spec).map_err(No::Wrong)
}

fn read<K: DeserializeOwned>(object: &DynamicObject) -> Result<K, No> {
    let value = serde_json::to_value(object).and_then(serde_json::from_value);
    value.map_err(|error| No::Wrong(error.to_string()))
}

fn refused(response: AdmissionResponse, why: &str, reason: &str, code: u16) -> AdmissionResponse {
    let mut response = response.deny(why);
    response.result = Status::failure(why, reason).with_code(code);
    response
}

#[cfg(test)]
mod tests;
