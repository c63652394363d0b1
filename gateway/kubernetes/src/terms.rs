//! What each namespace's sandboxes are judged by and may be given: a tenant has nothing of another's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::{Future, ready};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwap;
use exeat_core::Cause;
use exeat_credentials::Credentials;
use exeat_journal::{Event, Journal};
use exeat_policy::{LoadError, Policies, Source};
use exeat_proxy::Terms;
use kube::Client;

use crate::contact::Contact;
use crate::credentials::{CredentialFacts, Holdings};
use crate::facts::Key;
use crate::policies::{Evaluated, PolicyFacts, Profile, Sets, Verdict, evaluate};
use crate::standing::Who;
use crate::view::View;
use crate::workflow::{Work, Works};

/// One namespace.
#[derive(Default)]
struct Tenant {
    sets: ArcSwap<Sets>,
    holdings: ArcSwap<Holdings>,
}

/// The folder's policies as they were valid last.
struct Base {
    source: Source,
    policies: Arc<Policies>,
}

/// All namespaces.
pub(crate) struct Tenancy {
    client: Client,
    view: Arc<View>,
    journal: Journal,
    contact: Arc<Contact>,
    works: Works,
    base: ArcSwap<Base>,
    tenants: RwLock<HashMap<String, Arc<Tenant>>>,
}

impl Tenancy {
    /// Tenants that have nothing yet but what is in the folder.
    ///
    /// # Errors
    /// [`LoadError`] says which file and line.
    pub(crate) fn new(
        client: Client, view: Arc<View>, journal: Journal, contact: Arc<Contact>, source: Source,
    ) -> Result<Arc<Self>, LoadError> {
        Ok(Arc::new(Tenancy {
            works: Works::new(client.clone(), Arc::clone(&view)),
            base: ArcSwap::from_pointee(Base::load(&source)?),
            tenants: RwLock::default(),
            client,
            view,
            journal,
            contact,
        }))
    }

    /// The terms of a session.
    pub(crate) fn terms(&self, who: &Who) -> Arc<dyn Terms> {
        let namespace = &who.sandbox.namespace;
        Arc::new(SandboxTerms {
            profile: who.profile.clone(),
            tenant: self.tenant(namespace),
            work: who.workflow.as_ref().map(|name| self.works.of(Key::new(namespace, name))),
            contact: Arc::clone(&self.contact),
        })
    }

    /// The policies of the folder.
    pub(crate) fn base(&self) -> Arc<Policies> {
        Arc::clone(&self.base.load().policies)
    }

    /// The folder.
    pub(crate) fn directory(&self) -> PathBuf {
        self.base.load().source.directory().to_owned()
    }

    /// Reads the folder again. What is wrong in it leaves everything as it was.
    ///
    /// # Errors
    /// [`LoadError`]
    pub(crate) fn reload_base(&self) -> Result<(), LoadError> {
        let fresh = Base::load(&self.base.load().source)?;
        self.base.store(Arc::new(fresh));
        Ok(())
    }

    /// Reads the policies of a namespace as they are now, and returns what became of each object.
    pub(crate) async fn read_policies(&self, namespace: &str) -> Vec<Verdict> {
        let objects: BTreeMap<Key, PolicyFacts> = self.view.look(|objects| objects.policies.of(namespace));
        let objects: Vec<_> = objects.into_iter().collect();
        let (tenant, base) = (self.tenant(namespace), self.base.load_full());
        let before = tenant.sets.load_full();
        let known = Arc::clone(&before);
        // Validating is work for the processor alone, and much of it where there are many policies.
        let evaluating = move || evaluate(&base.source, &base.policies, &objects, &known);
        let Ok(Evaluated { sets, verdicts }) = tokio::task::spawn_blocking(evaluating).await else {
            tracing::error!(namespace, "the policies could not be read");
            return Vec::new();
        };
        let events = changes(namespace, &before, &sets);
        tenant.sets.store(Arc::new(sets));
        for event in events {
            if let Err(error) = self.journal.append(event).await {
                tracing::error!(namespace, %error, "a change of policies could not be recorded");
            }
        }
        verdicts
    }

    /// Reads the credentials of a namespace as they are now.
    pub(crate) fn read_credentials(&self, namespace: &str) -> Arc<Holdings> {
        let objects: BTreeMap<Key, CredentialFacts> = self.view.look(|objects| objects.credentials.of(namespace));
        let tenant = self.tenant(namespace);
        let holdings = Arc::new(Holdings::read(&self.client, objects, &tenant.holdings.load()));
        tenant.holdings.store(Arc::clone(&holdings));
        holdings
    }

    /// Forgets a namespace that has no objects any more, and no session.
    pub(crate) fn forget_empty(&self, namespace: &str) {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let has_none =
            self.view.look(|objects| !objects.policies.are_in(namespace) && !objects.credentials.are_in(namespace));
        // Nobody gets hold of it while the table is locked.
        if has_none && tenants.get(namespace).is_some_and(|tenant| Arc::strong_count(tenant) == 1) {
            tenants.remove(namespace);
        }
    }

    /// The credentials of every namespace as they were read last.
    pub(crate) fn holdings(&self) -> Vec<Arc<Holdings>> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.values().map(|tenant| tenant.holdings.load_full()).collect()
    }

    /// The namespaces that have been read.
    pub(crate) fn namespaces(&self) -> BTreeSet<String> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The pieces of work that sessions are part of.
    pub(crate) fn works(&self) -> &Works {
        &self.works
    }

    fn tenant(&self, namespace: &str) -> Arc<Tenant> {
        if let Some(tenant) = self.tenants.read().unwrap_or_else(PoisonError::into_inner).get(namespace) {
            return Arc::clone(tenant);
        }
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        // What has objects is judged by nothing until they have been read: the folder alone could permit what they forbid.
        let has_objects = self.view.look(|objects| objects.policies.are_in(namespace));
        let sets = if has_objects { Sets::default() } else { Sets::of_base(self.base()) };
        let fresh = || Arc::new(Tenant { sets: ArcSwap::from_pointee(sets), ..Tenant::default() });
        Arc::clone(tenants.entry(namespace.to_owned()).or_insert_with(fresh))
    }
}

impl Base {
    fn load(source: &Source) -> Result<Self, LoadError> {
        let source = source.read()?;
        let policies = Arc::new(Policies::load(source.with([]))?);
        Ok(Base { source, policies })
    }
}

/// What the journal is told of changed sets.
fn changes(namespace: &str, before: &Sets, now: &Sets) -> Vec<Event> {
    let mut events = Vec::new();
    for (profile, set) in now.iter() {
        let earlier = before.get(profile);
        let version = |set: &crate::policies::Set| set.in_force.as_ref().map(|policies| policies.version());
        if let Some(policies) = &set.in_force
            && version(set) != earlier.and_then(version)
        {
            events.push(Event::PolicyLoad {
                policy_version: policies.version().to_string(),
                policies: policies.count() as u64,
                scope: Some(scope(namespace, profile)),
            });
        }
        if let Some(message) = &set.rejected
            && earlier.and_then(|set| set.rejected.as_ref()) != Some(message)
        {
            let message = exeat_journal::bounded(message, exeat_core::limits::JOURNAL_FIELD_BYTES);
            events.push(Event::PolicyRejected { message, scope: Some(scope(namespace, profile)) });
        }
    }
    events
}

fn scope(namespace: &str, profile: &Profile) -> String {
    format!("{namespace}/{}", profile.as_deref().unwrap_or("*"))
}

/// The terms of one sandbox.
struct SandboxTerms {
    profile: String,
    tenant: Arc<Tenant>,
    work: Option<Arc<Work>>,
    contact: Arc<Contact>,
}

impl Terms for SandboxTerms {
    fn credentials(&self) -> Arc<Credentials> {
        self.tenant.holdings.load().of(&self.profile)
    }

    fn policies(&self) -> Result<Arc<Policies>, Cause> {
        self.contact.check()?;
        if let Some(work) = &self.work {
            work.check()?;
        }
        let sets = self.tenant.sets.load();
        let none = || Cause::PoliciesUnusable("they have not been read yet".to_owned());
        sets.of(&self.profile).ok_or_else(none)?.policies()
    }

    fn spend(&self) -> Pin<Box<dyn Future<Output = Result<(), Cause>> + Send + '_>> {
        match &self.work {
            Some(work) => Box::pin(work.spend()),
            None => Box::pin(ready(Ok(()))),
        }
    }
}
