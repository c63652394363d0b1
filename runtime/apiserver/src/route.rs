//! What a path and a query ask for.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::failure::Failure;
use crate::limits;
use crate::resource::Resource;
use crate::selector::Selector;

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) resource: Resource,
    /// All of them without one.
    pub(crate) namespace: Option<String>,
    /// The whole collection without one.
    pub(crate) name: Option<String>,
}

/// The segments of a path.
pub(crate) fn segments(path: &str) -> Vec<String> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect()
}

impl Route {
    /// Where a path leads, if anywhere: `/apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL/NAME`, and less of it.
    pub(crate) fn parse(segments: &[&str]) -> Option<Route> {
        let (group, version, rest) = match segments {
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            ["api", version, rest @ ..] => ("", *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] => (Some((*namespace).to_owned()), rest),
            rest => (None, rest),
        };
        let (plural, name) = match rest {
            [plural] => (*plural, None),
            [plural, name] if namespace.is_some() => (*plural, Some((*name).to_owned())),
            _ => return None,
        };
        Some(Route { resource: Resource::find(group, version, plural)?, namespace, name })
    }
}

/// What a query asks for.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) selector: Selector,
    pub(crate) watch: bool,
    /// The version after which changes are wanted; what there is, is wanted first where it is 0.
    pub(crate) since: u64,
    /// Whether the end of what there is, is to be marked.
    pub(crate) marks_initial: bool,
    pub(crate) timeout: Duration,
}

impl Query {
    pub(crate) fn parse(query: &str) -> Result<Self, Failure> {
        let (mut fields, mut labels) = (String::new(), String::new());
        let (mut watch, mut since, mut marks_initial, mut timeout) = (false, 0, false, limits::WATCH_TIME);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let number = || value.parse::<u64>().map_err(|_| Failure::Bad(format!("`{name}` is not a number")));
            match &*name {
                "fieldSelector" => fields = value.into_owned(),
                "labelSelector" => labels = value.into_owned(),
                "watch" => watch = is_true(&value),
                "sendInitialEvents" => marks_initial = is_true(&value),
                "resourceVersion" if !value.is_empty() => since = number()?,
                "timeoutSeconds" => timeout = Duration::from_secs(number()?).min(limits::WATCH_TIME),
                _ => {}
            }
        }
        if marks_initial {
            since = 0;
        }
        Ok(Query { selector: Selector::parse(&fields, &labels)?, watch, since, marks_initial, timeout })
    }
}

fn is_true(value: &str) -> bool {
    matches!(value, "1" | "true" | "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str) -> Option<Route> {
        let segments = segments(path);
        Route::parse(&segments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    #[test]
    fn the_paths_of_the_transcript_lead_somewhere() {
        let claims = "/apis/extensions.agents.x-k8s.io/v1beta1/namespaces/default/sandboxclaims";
        let of = |resource, name: Option<&str>| {
            Some(Route { resource, namespace: Some("default".into()), name: name.map(Into::into) })
        };
        assert_eq!(route(claims), of(Resource::Claims, None));
        assert_eq!(route(&format!("{claims}/c-1")), of(Resource::Claims, Some("c-1")));
        let sandbox = "/apis/agents.x-k8s.io/v1beta1/namespaces/default/sandboxes/pool-abc12";
        assert_eq!(route(sandbox), of(Resource::Sandboxes, Some("pool-abc12")));
        assert_eq!(route("/api/v1/namespaces/default/pods/p"), of(Resource::Pods, Some("p")));
        let all = Route { resource: Resource::Pods, namespace: None, name: None };
        assert_eq!(route("/api/v1/pods"), Some(all));
        for nowhere in [
            "/",
            "/apis/x/v1/pods",
            "/api/v1/pods/p",
            "/api/v1/namespaces/a/pods/p/log",
            "/apis/agents.x-k8s.io/v1alpha1/sandboxes",
        ] {
            assert_eq!(route(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn the_queries_of_the_transcript_are_read() {
        let query = "fieldSelector=metadata.name%3Dc&resourceVersion=10&timeoutSeconds=10&watch=true";
        let query = Query::parse(query).unwrap();
        assert_eq!((query.watch, query.since, query.timeout), (true, 10, Duration::from_secs(10)));
        assert_eq!(query.selector, Selector::parse("metadata.name=c", "").unwrap());
        assert!(Query::parse("resourceVersion=x").is_err());
    }
}
