//! Objects from one version of Agent Sandbox's API to the other: `v1alpha1`, which is deprecated, and `v1beta1`, which is
//! stored. Pure functions for a webhook that a cluster asks (CustomResourceDefinition, `strategy: Webhook`).
//!
//! ```text
//!   written as v1alpha1 ──▶ stored as v1beta1, noted what v1alpha1 said ──▶ read as v1alpha1: as it was written
//!   stored as v1beta1 ──▶ read as v1alpha1, noted what only v1beta1 can say ──▶ written back: nothing is lost
//! ```
//!
//! A note is an annotation, and there is one only where fields alone would not come back as they were. The one about
//! `v1alpha1` is never seen in `v1alpha1`, nor the one about `v1beta1` in `v1beta1`; the cluster hands out what is stored as
//! it is, so the first is seen in `v1beta1` and the second in `v1alpha1`. What a note says counts only as long as it agrees
//! with the fields that are there: who changes a field later, wins. A note that nobody can read counts for nothing, because
//! an object that cannot be converted could not be listed, nor deleted with its namespace.
//!
//! Names and texts of the notes are those of Agent Sandbox v0.5.3 where it has them, so that objects which its webhook has
//! converted are read here, and the other way round.

use kube::core::Status;
use kube::core::conversion::{ConversionRequest, ConversionResponse, ConversionReview};
use serde_json::{Map, Value};

use crate::{V1ALPHA1, V1BETA1};

mod kinds;
mod note;
mod part;
mod source;

pub use source::{Source, pool_of_template, source};

use kinds::{KINDS, Kind};
use part::To;

/// Why an object is not converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is of another kind, or of none.
    #[error("`{kind}` of `{api_version}` is not converted here")]
    Kind {
        /// What it says it is.
        kind: String,
        /// And of which version.
        api_version: String,
    },
    /// It is wanted in a version that its kind does not have.
    #[error("{kind} has no version `{wanted}`: there are `{group}/{V1ALPHA1}` and `{group}/{V1BETA1}`")]
    Version {
        /// Its kind.
        kind: &'static str,
        /// Its group.
        group: &'static str,
        /// What is wanted.
        wanted: String,
    },
    /// It has nothing that notes can be in.
    #[error("{0} has no `metadata`")]
    Metadata(&'static str),
}

/// Answers a cluster that wants objects in another version: all of them, or none and why.
pub fn convert(review: ConversionReview) -> ConversionReview {
    let types = &review.types;
    if (types.api_version.as_str(), types.kind.as_str()) != ("apiextensions.k8s.io/v1", "ConversionReview") {
        let message = format!("`{}` of `{}` is not a ConversionReview of `v1`", types.kind, types.api_version);
        return refuse(&message);
    }
    let mut request = match ConversionRequest::from_review(review) {
        Ok(request) => request,
        Err(error) => return refuse(&error.to_string()),
    };
    let objects = std::mem::take(&mut request.objects);
    let converted: Result<Vec<Value>, String> = objects
        .into_iter()
        .enumerate()
        .map(|(number, object)| {
            let converted = convert_object(object, &request.desired_api_version);
            converted.map_err(|refused| format!("objects[{number}]: {refused}"))
        })
        .collect();
    let response = ConversionResponse::for_request(request);
    match converted {
        Ok(objects) => response.success(objects),
        Err(message) => response.failure(Status::failure(&message, "Invalid")),
    }
    .into_review()
}

fn refuse(message: &str) -> ConversionReview {
    ConversionResponse::invalid(Status::failure(message, "BadRequest")).into_review()
}

/// One object in the version that is wanted.
///
/// # Errors
/// [`Refused`] for what is not an object of the four kinds, and for a version that they do not have.
pub fn convert_object(object: Value, wanted: &str) -> Result<Value, Refused> {
    let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
    let (api_version, name) = (text("apiVersion"), text("kind"));
    let kind = api_version.split_once('/').and_then(|(group, version)| {
        let known = KINDS.iter().find(|known| (known.group, known.kind) == (group, name.as_str()));
        known.filter(|_| matches!(version, V1ALPHA1 | V1BETA1))
    });
    let Some(kind) = kind else { return Err(Refused::Kind { kind: name, api_version }) };
    let to = match wanted.strip_prefix(kind.group) {
        Some("/v1alpha1") => To::Older,
        Some("/v1beta1") => To::Newer,
        _ => return Err(Refused::Version { kind: kind.kind, group: kind.group, wanted: wanted.to_owned() }),
    };
    match object {
        Value::Object(object) if api_version != wanted => across(object, kind, to, wanted).map(Value::Object),
        same => Ok(same),
    }
}

fn across(mut object: Map<String, Value>, kind: &Kind, to: To, wanted: &str) -> Result<Map<String, Value>, Refused> {
    object.insert("apiVersion".to_owned(), wanted.into());
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    let metadata = metadata.ok_or(Refused::Metadata(kind.kind))?;
    // What is noted about the version that it comes from, somebody has put there who did not get it from here.
    note::take(metadata, kind.note(to.other()));
    let noted = note::take(metadata, kind.note(to));
    let mut said = Map::new();
    let mut comes_back = true;
    for part in kind.parts {
        if let Some(Value::Object(section)) = object.get_mut(part.section) {
            comes_back &= part.carry(section, to, noted.as_ref(), &mut said);
        }
    }
    kinds::count_pods(&mut object, kind, to);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut).filter(|_| !comes_back) {
        note::put(metadata, kind.note(to.other()), said);
    }
    Ok(object)
}

#[cfg(test)]
mod tests;
