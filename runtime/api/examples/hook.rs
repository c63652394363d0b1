//! Temporary.
use std::io::Read;
fn main() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    let text = text.replace("agents.api-test.example", "agents.x-k8s.io");
    let review = serde_json::from_str(&text).unwrap();
    let answer = exeat_api::conversion::convert(review);
    print!(
        "{}",
        serde_json::to_string(&answer)
            .unwrap()
            .replace("agents.x-k8s.io/v1alpha1\"", "agents.api-test.example/v1alpha1\"")
            .replace("agents.x-k8s.io/v1beta1\"", "agents.api-test.example/v1beta1\"")
    );
}
