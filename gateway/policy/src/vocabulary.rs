//! The words that policies may use: one schema out of fragments, parsed once and shared by every set.

use std::collections::HashMap;
use std::sync::OnceLock;

use cedar_policy::{Entity, EntityTypeName, EntityUid, Schema, SchemaFragment, Validator};
use exeat_core::Integration;

use crate::LoadError;

/// The words that every policy shares.
const SHARED_SCHEMA: &str = include_str!("../../../policies/schema.cedarschema");

/// The schema's fragments, and what they make together once somebody needs it.
pub(crate) struct Words {
    /// Fragments with their names for messages.
    pub(crate) fragments: Vec<(String, String)>,
    parsed: OnceLock<Result<Vocabulary, LoadError>>,
}

/// A schema with everything that deciding needs at hand.
pub(crate) struct Vocabulary {
    pub(crate) schema: Schema,
    pub(crate) validator: Validator,
    /// Each action with the groups it is in.
    pub(crate) actions: HashMap<EntityUid, Entity>,
    /// Entity types by their name, so that none is parsed on the way of a request.
    pub(crate) types: HashMap<String, EntityTypeName>,
}

impl Words {
    /// The shared words and one fragment for each integration.
    pub(crate) fn new<'a>(integrations: impl IntoIterator<Item = &'a dyn Integration>) -> Self {
        let shared = ("policies/schema.cedarschema".to_owned(), SHARED_SCHEMA.to_owned());
        let fragments = integrations.into_iter().map(|known| (known.name().to_owned(), known.schema().to_owned()));
        Words { fragments: std::iter::once(shared).chain(fragments).collect(), parsed: OnceLock::new() }
    }

    /// What they make together.
    pub(crate) fn vocabulary(&self) -> Result<&Vocabulary, LoadError> {
        self.parsed.get_or_init(|| Vocabulary::parse(&self.fragments)).as_ref().map_err(Clone::clone)
    }
}

impl Vocabulary {
    fn parse(fragments: &[(String, String)]) -> Result<Self, LoadError> {
        let fragments = fragments.iter().map(|(name, text)| {
            let parsed = SchemaFragment::from_cedarschema_str(text);
            parsed.map(|(fragment, _)| fragment).map_err(|error| LoadError::Schema(format!("{name}: {error}")))
        });
        let fragments = fragments.collect::<Result<Vec<_>, _>>()?;
        let invalid = |error: &dyn std::fmt::Display| LoadError::Schema(error.to_string());
        let schema = Schema::from_schema_fragments(fragments).map_err(|error| invalid(&error))?;
        let actions = schema.action_entities().map_err(|error| invalid(&error))?;
        Ok(Vocabulary {
            validator: Validator::new(schema.clone()),
            actions: actions.iter().map(|action| (action.uid(), action.clone())).collect(),
            types: types(&schema),
            schema,
        })
    }
}

/// The entity types, and those of actions among them.
fn types(schema: &Schema) -> HashMap<String, EntityTypeName> {
    let of_actions = schema.actions().map(|action| action.type_name());
    schema.entity_types().chain(of_actions).map(|kind| (kind.to_string(), kind.clone())).collect()
}
