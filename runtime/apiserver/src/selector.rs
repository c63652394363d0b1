//! Which objects a client means: field and label selectors (Kubernetes documentation, "Labels and Selectors").

use serde_json::Value;

use crate::failure::Failure;

/// Which objects a client means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    /// The only name, where one is asked for.
    name: Option<String>,
    labels: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Among(String, Vec<String>),
    NotAmong(String, Vec<String>),
    Has(String),
    HasNot(String),
}

impl Selector {
    /// Reads `fieldSelector` and `labelSelector`.
    pub(crate) fn parse(fields: &str, labels: &str) -> Result<Self, Failure> {
        let mut selector = Selector::default();
        for field in fields.split(',').filter(|field| !field.is_empty()) {
            match field.split_once('=') {
                Some(("metadata.name", name)) => selector.name = Some(name.trim_start_matches('=').to_owned()),
                _ => {
                    return Err(Failure::Bad(format!(
                        "field selector `{field}`: only `metadata.name` can be selected"
                    )));
                }
            }
        }
        for term in split_outside_parentheses(labels).into_iter().filter(|term| !term.is_empty()) {
            selector.labels.push(requirement(term)?);
        }
        Ok(selector)
    }

    /// Whether an object is meant.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        let named = self.name.as_ref().is_none_or(|name| metadata["name"] == **name);
        named && self.labels.iter().all(|requirement| requirement.holds(&metadata["labels"]))
    }
}

impl Requirement {
    fn holds(&self, labels: &Value) -> bool {
        let value = |key: &String| labels.get(key).and_then(Value::as_str);
        let among = |key, values: &Vec<String>| value(key).is_some_and(|value| values.iter().any(|one| one == value));
        match self {
            Requirement::Among(key, values) => among(key, values),
            Requirement::NotAmong(key, values) => !among(key, values),
            Requirement::Has(key) => value(key).is_some(),
            Requirement::HasNot(key) => value(key).is_none(),
        }
    }
}

fn requirement(term: &str) -> Result<Requirement, Failure> {
    let bad = || Failure::Bad(format!("label selector `{term}` cannot be read"));
    let key = |key: &str| match key.trim() {
        key if key.is_empty() || key.contains(char::is_whitespace) => Err(bad()),
        key => Ok(key.to_owned()),
    };
    if let Some((name, value)) = term.split_once("!=") {
        return Ok(Requirement::NotAmong(key(name)?, vec![value.trim().to_owned()]));
    }
    if let Some((name, value)) = term.split_once('=') {
        return Ok(Requirement::Among(key(name)?, vec![value.trim_start_matches('=').trim().to_owned()]));
    }
    if let Some((head, values)) = term.split_once('(') {
        let values = values.trim_end().strip_suffix(')').ok_or_else(bad)?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let (name, operator) = head.trim_end().rsplit_once(char::is_whitespace).ok_or_else(bad)?;
        return match operator {
            "in" => Ok(Requirement::Among(key(name)?, values)),
            "notin" => Ok(Requirement::NotAmong(key(name)?, values)),
            _ => Err(bad()),
        };
    }
    match term.strip_prefix('!') {
        Some(name) => Ok(Requirement::HasNot(key(name)?)),
        None => Ok(Requirement::Has(key(term)?)),
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_u32, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_and_names_select() {
        let object = json!({ "metadata": { "name": "a", "labels": { "team": "x", "agents.x-k8s.io/h": "0f" } } });
        for (fields, labels, meant) in [
            ("", "", true),
            ("metadata.name=a", "", true),
            ("metadata.name==a", "", true),
            ("metadata.name=b", "", false),
            ("", "team=x", true),
            ("", "team==x,agents.x-k8s.io/h=0f", true),
            ("", "team=y", false),
            ("", "team!=y", true),
            ("", "other!=y", true),
            ("", "team in (y, x)", true),
            ("", "team notin (y,x)", false),
            ("", "team, !other", true),
            ("", "!team", false),
            ("metadata.name=a", "other", false),
        ] {
            let selector = Selector::parse(fields, labels).unwrap();
            assert_eq!(selector.matches(&object), meant, "{fields} {labels}");
        }
        for bad in ["=x", "team in x", "team among (x)", "a b", "in (x)"] {
            assert!(Selector::parse("", bad).is_err(), "{bad}");
        }
        assert!(Selector::parse("spec.x=1", "").is_err());
    }
}
