//! The body of `PUT /:package`: a new version, or a change to what is published (npm's libnpmpublish, `deprecate`,
//! `owner`, `star`).
//!
//! A registry reads the name from the path or from the body, versions from keys or from fields, as it likes. All of
//! them must say the same here, so that whatever it reads is what was judged.

use exeat_core::Unreadable;
use serde_json::{Map, Value};

use super::names::Package;

/// One thing that a document does to its package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Publishes a version under tags.
    Publish { version: String, tags: Vec<String>, access: Option<String> },
    /// Sends versions that carry a deprecation.
    Deprecate(Vec<String>),
    /// Stars or unstars.
    Star,
    /// Names other maintainers.
    Owner,
    /// Leaves versions out.
    Unpublish,
    /// Anything else.
    Modify,
}

/// Reads a document.
///
/// # Errors
/// [`Unreadable`] where two places of it disagree, or where it is for another package.
pub(crate) fn read(package: &Package, revised: bool, document: &Value) -> Result<Vec<Change>, Unreadable> {
    let document = document.as_object().ok_or_else(|| Unreadable::malformed("the body is not a JSON object"))?;
    for field in ["name", "_id"] {
        require_equal(document, field, &package.name)?;
    }
    let empty = Map::new();
    let versions = object(document, "versions")?.unwrap_or(&empty);
    for (version, manifest) in versions {
        check_version(package, version, manifest)?;
    }
    let uploads = uploads(package, document)?;
    if uploads.is_empty() {
        return Ok(vec![change(document, versions, revised)]);
    }
    let mut changes = publish(document, versions, &uploads)?;
    if revised {
        // What is sent replaces a revision: versions that are not in it go.
        changes.push(Change::Unpublish);
    }
    Ok(changes)
}

/// A document without a tarball.
fn change(document: &Map<String, Value>, versions: &Map<String, Value>, revised: bool) -> Change {
    let holds_only = |field: &str| {
        document.contains_key(field) && document.keys().all(|key| key == field || key == "_id" || key == "_rev")
    };
    let deprecated = deprecated(versions);
    if holds_only("users") {
        Change::Star
    } else if holds_only("maintainers") {
        Change::Owner
    } else if revised && document.contains_key("versions") {
        Change::Unpublish
    } else if !deprecated.is_empty() {
        Change::Deprecate(deprecated)
    } else {
        Change::Modify
    }
}

/// A document with tarballs: one for each of its versions, tags that point to them.
fn publish(
    document: &Map<String, Value>, versions: &Map<String, Value>, uploads: &[String],
) -> Result<Vec<Change>, Unreadable> {
    let missing = versions.keys().find(|version| !uploads.contains(version));
    if let Some(version) = missing.or(uploads.iter().find(|version| !versions.contains_key(*version))) {
        return Err(Unreadable::malformed(format!(
            "version `{version}` is not both in `versions` and in `_attachments`"
        )));
    }
    let mut tags = Vec::new();
    for (tag, version) in object(document, "dist-tags")?.into_iter().flatten() {
        let version = version.as_str().filter(|version| versions.contains_key(*version));
        let version = version
            .ok_or_else(|| Unreadable::malformed(format!("the tag `{tag}` points to no version of the body")))?;
        tags.push((tag, version));
    }
    let access = match document.get("access") {
        None | Some(Value::Null) => None,
        Some(Value::String(access)) => Some(access.clone()),
        Some(_) => return Err(Unreadable::malformed("`access` is not a string")),
    };
    let tags_of = |version: &str| tags.iter().filter(|(_, to)| *to == version).map(|(tag, _)| (*tag).clone()).collect();
    let published = versions.keys().map(|version| Change::Publish {
        version: version.clone(),
        tags: tags_of(version),
        access: access.clone(),
    });
    // What some registry may take from the same document besides.
    let deprecated = Some(deprecated(versions)).filter(|versions| !versions.is_empty()).map(Change::Deprecate);
    let owner = document.contains_key("maintainers").then_some(Change::Owner);
    Ok(published.chain(deprecated).chain(owner).collect())
}

fn check_version(package: &Package, version: &str, manifest: &Value) -> Result<(), Unreadable> {
    let manifest = manifest
        .as_object()
        .ok_or_else(|| Unreadable::malformed(format!("version `{}` is not an object", version.escape_debug())))?;
    require_equal(manifest, "name", &package.name)?;
    require_equal(manifest, "version", version)?;
    require_equal(manifest, "_id", &format!("{}@{version}", package.name))?;
    match manifest.contains_key("version") {
        true => Ok(()),
        false => Err(Unreadable::malformed(format!("version `{}` lacks its `version`", version.escape_debug()))),
    }
}

/// The versions for which a tarball is sent. A document that was fetched and is sent back may list attachments
/// without data.
fn uploads(package: &Package, document: &Map<String, Value>) -> Result<Vec<String>, Unreadable> {
    let mut uploads = Vec::new();
    for (file, attachment) in object(document, "_attachments")?.into_iter().flatten() {
        if attachment.get("data").is_none() {
            continue;
        }
        let bare = file.strip_prefix(&format!("{}/", package.scope)).unwrap_or(file);
        let rest = bare.strip_prefix(package.bare()).and_then(|rest| rest.strip_prefix('-'));
        match rest.and_then(|rest| Some((rest, rest.strip_suffix(".tgz")?))) {
            Some((_, version)) => uploads.push(version.to_owned()),
            // A provenance bundle, which is no version of its own.
            None if rest.is_some_and(|rest| rest.ends_with(".sigstore")) => {}
            None => {
                return Err(Unreadable::malformed(format!(
                    "the attachment `{}` is no tarball of the package",
                    file.escape_debug()
                )));
            }
        }
    }
    Ok(uploads)
}

fn deprecated(versions: &Map<String, Value>) -> Vec<String> {
    let carries = |manifest: &Value| manifest.get("deprecated").is_some();
    versions.iter().filter(|(_, manifest)| carries(manifest)).map(|(version, _)| version.clone()).collect()
}

fn object<'d>(document: &'d Map<String, Value>, field: &str) -> Result<Option<&'d Map<String, Value>>, Unreadable> {
    match document.get(field) {
        None => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(Unreadable::malformed(format!("`{field}` is not an object"))),
    }
}

fn require_equal(object: &Map<String, Value>, field: &str, expected: &str) -> Result<(), Unreadable> {
    match object.get(field) {
        None => Ok(()),
        Some(Value::String(text)) if text == expected => Ok(()),
        Some(other) => {
            let other = other.as_str().map_or_else(|| other.to_string(), |text| text.escape_debug().to_string());
            Err(Unreadable::malformed(format!("the body's `{field}` is `{other}` and not `{expected}`")))
        }
    }
}
