//! What controllers ask of the API server, by its own count.

use http::Request;
use kube::Client;

use crate::Result;

/// Kinds that nobody but the controllers writes here.
const THEIRS: [&str; 5] = ["sandboxes", "sandboxclaims", "sandboxwarmpools", "sandboxtemplates", "events"];

/// Requests so far about what controllers write: all of the kinds of Agent Sandbox and events, and the making, changing and
/// deleting of pods and Services (kubelets only change a pod's status).
pub(super) async fn count(client: &Client) -> Result<f64> {
    let text = client.request_text(Request::get("/metrics").body(Vec::new())?).await?;
    let lines = text.lines().filter(|line| line.starts_with("apiserver_request_total{"));
    Ok(lines.filter(|line| is_theirs(line)).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}

fn is_theirs(line: &str) -> bool {
    let label = |name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\""))?;
        rest.split('"').next()
    };
    let (resource, verb) = (label("resource").unwrap_or_default(), label("verb").unwrap_or_default());
    if verb == "WATCH" || verb == "LIST" {
        return false;
    }
    let writes = matches!(verb, "POST" | "PUT" | "PATCH" | "APPLY" | "DELETE");
    let is_whole = label("subresource").is_none_or(str::is_empty);
    // Kubelets and the scheduler say what happens to pods in events of the core group.
    if resource == "events" {
        return label("group") == Some("events.k8s.io");
    }
    THEIRS.contains(&resource) || (matches!(resource, "pods" | "services") && writes && is_whole)
}
