//! The document in `docs/` is the one that the table of routes makes. `UPDATE_EXPECT=1` writes it anew.

use expect_test::expect_file;

#[test]
fn the_document_is_as_the_routes_are() {
    let document = exeat_service::document();
    let text = serde_json::to_string_pretty(&document).unwrap_or_default() + "\n";
    expect_file!["../../../docs/openapi.json"].assert_eq(&text);
}
