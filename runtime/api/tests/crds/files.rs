//! `deploy/crds/`, which `UPDATE_EXPECT=1` writes anew.

use expect_test::expect_file;
use serde_json::Value;

use crate::{DEFINITIONS, repository, version};

/// What `kubectl apply` may note of an object in its annotation.
const APPLIED: usize = 256 << 10;

const HEAD: &str = "# Made from the types in runtime/api: UPDATE_EXPECT=1 cargo test -p exeat-api --test crds\n";

#[test]
fn the_files_are_as_the_types_are() {
    for definition in DEFINITIONS.iter() {
        let file = repository().join("deploy/crds").join(file_name(definition));
        expect_file![file].assert_eq(&(HEAD.to_owned() + &yaml(definition)));
    }
}

fn file_name(definition: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    format!("{}_{}.yaml", text(&definition["spec"]["group"]), text(&definition["spec"]["names"]["plural"]))
}

fn yaml(definition: &Value) -> String {
    let options = serde_saphyr::ser_options! { compact_list_indent: true, prefer_block_scalars: false };
    let mut text = serde_saphyr::to_string_with_options(definition, options).unwrap();
    let back: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(back, *definition, "the text says what the value says");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[test]
fn there_is_no_other_file() {
    let folder = repository().join("deploy/crds");
    let mut there: Vec<_> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut wanted: Vec<_> = DEFINITIONS.iter().map(file_name).collect();
    there.sort();
    wanted.sort();
    assert_eq!(there, wanted);
}

#[test]
fn kubectl_can_apply_them() {
    for definition in DEFINITIONS.iter() {
        let size = definition.to_string().len();
        assert!(size < APPLIED, "{} has {size} bytes", definition["metadata"]["name"]);
    }
}

#[test]
fn one_version_is_stored_and_all_are_served() {
    for definition in DEFINITIONS.iter() {
        let versions = definition["spec"]["versions"].as_array().unwrap();
        assert!(versions.iter().all(|version| version["served"] == true));
        assert_eq!(versions.iter().filter(|version| version["storage"] == true).count(), 1);
    }
}

#[test]
fn every_field_of_our_own_kinds_is_described() {
    fn undescribed(schema: &Value, path: &str, found: &mut Vec<String>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if property["description"].as_str().is_none_or(|text| text.contains("[`")) && path != ".metadata" {
                found.push(path.clone());
            }
            undescribed(property, &path, found);
            undescribed(&property["items"], &path, found);
        }
    }
    for definition in DEFINITIONS.iter().filter(|definition| definition["spec"]["group"] == "exeat.dev") {
        let mut found = Vec::new();
        undescribed(&version(definition, "v1alpha1")["schema"]["openAPIV3Schema"], "", &mut found);
        assert!(found.is_empty(), "{} {found:?}", definition["metadata"]["name"]);
    }
}
