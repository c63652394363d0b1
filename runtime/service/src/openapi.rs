//! The API's description (OpenAPI 3.1, <https://spec.openapis.org/oas/v3.1.0>), made from the table of routes.

use std::sync::Arc;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::problem::Problem;
use crate::routes::{self, Route};
use crate::service::{At, Service};
use crate::shapes::ErrorAnswer;

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut generator = settings.into_generator();
    let error = generator.subschema_for::<ErrorAnswer>();
    let mut paths = Map::new();
    for route in routes::all() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(&route, &mut generator, error.as_value());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Exeat's sandboxes",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "HTTP/1.1 with JSON on control.sock in the state folder, which only its owner can open.",
        },
        "paths": paths,
        "components": { "schemas": generator.take_definitions(true) },
    })
}

/// `GET /v1/openapi.json`
pub(crate) async fn serve(_: Arc<Service>, _: At) -> Result<Value, Problem> {
    Ok(document())
}

fn operation(route: &Route, generator: &mut SchemaGenerator, error: &Value) -> Value {
    let content = |schema: &Value| json!({ "application/json": { "schema": schema } });
    let answer = (route.answer)(generator);
    let mut operation = json!({
        "summary": route.summary,
        "parameters": parameters(route),
        "responses": {
            route.status.as_str(): { "description": "Done.", "content": content(answer.as_value()) },
            "default": { "description": "Not done, and why.", "content": content(error) },
        },
    });
    if let Some(request) = route.request {
        operation["requestBody"] = json!({ "content": content(request(generator).as_value()) });
    }
    operation
}

fn parameters(route: &Route) -> Vec<Value> {
    let text = json!({ "type": "string" });
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": text }));
    let in_query = route
        .query
        .iter()
        .map(|(name, meaning)| json!({ "name": name, "in": "query", "description": meaning, "schema": text }));
    in_path.chain(in_query).collect()
}
