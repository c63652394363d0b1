//! Putting it together: the watches, what follows from them, and the door.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use exeat_api::{Credential, EgressPolicy, Sandbox, Workflow, labels};
use exeat_journal::{Event, Journal};
use exeat_policy::{LoadError, Policies, Source};
use exeat_proxy::{Gateway, Identify};
use kube::core::PartialObjectMeta;
use kube::{Api, Client};
use tokio::sync::{Notify, SetOnce};
use tokio::task::JoinSet;

use crate::contact::Contact;
use crate::credentials::CredentialFacts;
use crate::facts::{ClaimFacts, PodFacts, SandboxFacts, SlimClaim, SlimPod};
use crate::guests::Guests;
use crate::identity::Pods;
use crate::policies::PolicyFacts;
use crate::review::Reviews;
use crate::status::{CREDENTIAL, POLICY, Said, Statuses, look_at};
use crate::terms::Tenancy;
use crate::view::View;
use crate::watching::Watching;
use crate::workflow::WorkflowFacts;

/// How often credentials are looked at, and how often those that could not be had.
const LOOK: Duration = Duration::from_secs(300);
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A cluster whose pods a gateway lets out.
pub struct Cluster {
    tenancy: Arc<Tenancy>,
    guests: Arc<Guests>,
    pods: Arc<Pods>,
    contact: Arc<Contact>,
    journal: Journal,
    dirty: Arc<Dirty>,
    synced: Arc<SetOnce<()>>,
    /// They end with it.
    _tasks: JoinSet<()>,
}

impl Cluster {
    /// Begins to watch a cluster. `source` is the folder of policies that hold in every namespace. Nobody is known before
    /// [`Cluster::synced`].
    ///
    /// # Errors
    /// [`LoadError`] where the folder's policies are not valid.
    pub fn watch(client: Client, gateway: Arc<Gateway>, journal: Journal, source: Source) -> Result<Self, LoadError> {
        let (view, contact, dirty) = (Arc::new(View::new()), Arc::new(Contact::new()), Arc::new(Dirty::default()));
        let tenancy = Tenancy::new(client.clone(), Arc::clone(&view), journal.clone(), Arc::clone(&contact), source)?;
        let guests = Guests::new(gateway, Arc::clone(&view), Arc::clone(&tenancy));
        let pods = Arc::new(Pods {
            view: Arc::clone(&view),
            reviews: Reviews::new(client.clone()),
            guests: Arc::clone(&guests),
            contact: Arc::clone(&contact),
        });
        let mut tasks = JoinSet::new();
        let tables = watch_all(&mut tasks, &client, &view, &contact, &dirty);
        let synced = Arc::new(SetOnce::new());
        let statuses = Statuses::new(client.clone());
        tasks.spawn({
            let (tenancy, statuses, dirty, synced) =
                (Arc::clone(&tenancy), Arc::clone(&statuses), Arc::clone(&dirty), Arc::clone(&synced));
            async move {
                for table in tables {
                    table.wait().await;
                }
                follow(&tenancy, &statuses, &dirty, &synced).await;
            }
        });
        tasks.spawn({
            let (tenancy, statuses) = (Arc::clone(&tenancy), Arc::clone(&statuses));
            async move { look_at_credentials(&tenancy, &statuses).await }
        });
        tasks.spawn(async move { statuses.write().await });
        tasks.spawn({
            let tenancy = Arc::clone(&tenancy);
            async move { tenancy.works().tend().await }
        });
        tasks.spawn({
            let contact = Arc::clone(&contact);
            async move { contact.keep(&client).await }
        });
        Ok(Cluster { tenancy, guests, pods, contact, journal, dirty, synced, _tasks: tasks })
    }

    /// Waits until all that is there has been seen, and every namespace's policies have been read.
    pub async fn synced(&self) {
        self.synced.wait().await;
    }

    /// Who tells the gateway who comes in.
    pub fn judge(&self) -> Arc<dyn Identify> {
        Arc::clone(&self.pods) as Arc<dyn Identify>
    }

    /// Whether the cluster is known as it is.
    ///
    /// # Errors
    /// What is missing, for a person.
    pub fn ready(&self) -> Result<(), String> {
        if self.synced.get().is_none() {
            return Err("the cluster's objects are still being read".to_owned());
        }
        self.contact.check().map_err(|cause| cause.to_string())
    }

    /// The policies of the folder, as they were valid last.
    pub fn base(&self) -> Arc<Policies> {
        self.tenancy.base()
    }

    /// The folder.
    pub fn directory(&self) -> PathBuf {
        self.tenancy.directory()
    }

    /// Reads the folder of policies again and puts it in force in every namespace, or keeps what is. The journal says which.
    pub async fn reload_base(&self) {
        let before = self.base().version();
        let event = match self.tenancy.reload_base() {
            Ok(()) if self.base().version() == before => return,
            Ok(()) => {
                self.dirty.mark(|marked| marked.policies.extend(self.tenancy.namespaces()));
                let policies = self.base();
                let (policy_version, policies) = (policies.version().to_string(), policies.count() as u64);
                Event::PolicyLoad { policy_version, policies, scope: None }
            }
            Err(error) => {
                tracing::error!(%error, "the changed policies are refused, those before stay in force");
                Event::PolicyRejected { message: error.to_string(), scope: None }
            }
        };
        if let Err(error) = self.journal.append(event).await {
            tracing::error!(%error, "a policy change could not be recorded");
        }
    }

    /// Ends every session and puts back what they have not used. Nobody may come in any more.
    pub async fn close(&self) {
        self.guests.close().await;
        self.tenancy.works().close().await;
    }
}

/// Watches every kind, and returns what tells that each has been seen whole.
fn watch_all(
    tasks: &mut JoinSet<()>, client: &Client, view: &Arc<View>, contact: &Arc<Contact>, dirty: &Arc<Dirty>,
) -> Vec<Arc<SetOnce<()>>> {
    let mut tables = Vec::new();
    macro_rules! watch {
        ($kind:literal, $object:ty, $label:expr, $facts:expr, $take:expr) => {{
            let (view, synced, contact) = (Arc::clone(view), Arc::new(SetOnce::new()), Arc::clone(contact));
            tables.push(Arc::clone(&synced));
            let watching = Watching::<$object> { kind: $kind, api: Api::all(client.clone()), label: $label };
            let take = $take;
            tasks.spawn(watching.run(contact, synced, $facts, move |change| take(&view, change)));
        }};
    }
    watch!("pods", SlimPod, labels::NAME_HASH, |pod| PodFacts::of(&pod), |view: &View, change| {
        view.change(|objects| objects.change_pods(change));
    });
    watch!(
        "sandboxes",
        PartialObjectMeta<Sandbox>,
        "",
        |object| SandboxFacts::of(&object.metadata),
        |view: &View, change| {
            view.change(|objects| objects.sandboxes.take(change));
        }
    );
    watch!("claims", SlimClaim, "", |claim| ClaimFacts::of(&claim), |view: &View, change| {
        view.change(|objects| objects.change_claims(change));
    });
    watch!("workflows", Workflow, "", |workflow| WorkflowFacts::of(&workflow), |view: &View, change| {
        view.change(|objects| objects.workflows.take(change));
    });
    let marks = Arc::clone(dirty);
    watch!("policies", EgressPolicy, "", PolicyFacts::of, move |view: &View, change| {
        let touched = view.change(|objects| objects.policies.take(change));
        marks.mark(|marked| marked.policies.extend(touched));
    });
    let marks = Arc::clone(dirty);
    watch!("credentials", Credential, "", CredentialFacts::of, move |view: &View, change| {
        let touched = view.change(|objects| objects.credentials.take(change));
        marks.mark(|marked| marked.credentials.extend(touched));
    });
    tables
}

/// Namespaces whose objects have changed since they were read.
#[derive(Default)]
struct Dirty {
    marked: Mutex<Marked>,
    more: Notify,
}

#[derive(Default)]
struct Marked {
    policies: BTreeSet<String>,
    credentials: BTreeSet<String>,
}

impl Dirty {
    fn mark(&self, mark: impl FnOnce(&mut Marked)) {
        mark(&mut self.marked.lock().unwrap_or_else(PoisonError::into_inner));
        self.more.notify_one();
    }

    fn take(&self) -> Marked {
        std::mem::take(&mut self.marked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads namespaces as they change.
async fn follow(tenancy: &Tenancy, statuses: &Statuses, dirty: &Dirty, synced: &SetOnce<()>) {
    loop {
        let Marked { policies, credentials } = dirty.take();
        for namespace in &policies {
            let verdicts = tenancy.read_policies(namespace).await;
            statuses.keep_only(POLICY, namespace, &verdicts.iter().map(|verdict| &verdict.key).collect());
            verdicts.into_iter().for_each(|verdict| statuses.say(Said::Policy(verdict)));
        }
        for namespace in &credentials {
            let holdings = tenancy.read_credentials(namespace);
            statuses.keep_only(CREDENTIAL, namespace, &holdings.all.keys().collect());
            for (key, holding) in &holdings.all {
                statuses.say(look_at(key, holding).await);
            }
        }
        policies.union(&credentials).for_each(|namespace| tenancy.forget_empty(namespace));
        let _ = synced.set(());
        dirty.more.notified().await;
    }
}

/// Looks again and again whether credentials can be had: a Secret that appears, or a right to read it, is nobody's event here.
async fn look_at_credentials(tenancy: &Tenancy, statuses: &Statuses) {
    let mut looked = Instant::now();
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        let all = looked.elapsed() >= LOOK;
        if all {
            looked = Instant::now();
        }
        for holdings in tenancy.holdings() {
            for (key, holding) in holdings.all.iter().filter(|(key, _)| all || statuses.is_missing(key)) {
                statuses.say(look_at(key, holding).await);
            }
        }
    }
}
