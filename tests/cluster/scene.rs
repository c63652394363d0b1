//! A namespace of a test's own on a cluster that has a controller.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use exeat_tests::{exeat, skip};
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::time::sleep;

/// What is waited for comes within this time on a machine that does other things too.
const LONGEST: Duration = Duration::from_secs(90);
/// The image that sandboxes run, which `deploy/dev/cluster/run image` makes and loads.
pub(crate) const IMAGE: &str = "exeat.dev/test/debian:latest";

/// Who uses the cluster: tests together, or one that has it for itself.
fn users() -> Arc<RwLock<()>> {
    static USERS: OnceLock<Arc<RwLock<()>>> = OnceLock::new();
    Arc::clone(USERS.get_or_init(Arc::default))
}

/// The controller that serves tests together. It ends with the process.
fn shared() -> &'static Mutex<Option<Child>> {
    static SHARED: Mutex<Option<Child>> = Mutex::const_new(None);
    &SHARED
}

enum Use {
    Together { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

/// A test's namespace. It is deleted at the end.
pub(crate) struct Scene {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    _use: Use,
}

impl Scene {
    /// For tests that any controller serves. None where there is no cluster.
    pub(crate) async fn open(name: &str) -> Option<Scene> {
        let client = client().await?;
        let guard = users().read_owned().await;
        let mut controller = shared().lock().await;
        if controller.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None))) {
            *controller = Some(start_shared());
        }
        drop(controller);
        Some(Scene::begin(client, name, Use::Together { _guard: guard }).await)
    }

    /// For tests that start controllers of their own: nobody else uses the cluster meanwhile, and no controller runs.
    pub(crate) async fn alone(name: &str) -> Option<Scene> {
        let client = client().await?;
        let guard = users().write_owned().await;
        if let Some(mut child) = shared().lock().await.take() {
            drop(child.stdin.take());
            child.wait().await.unwrap();
        }
        Some(Scene::begin(client, name, Use::Alone { _guard: guard }).await)
    }

    async fn begin(client: Client, name: &str, users: Use) -> Scene {
        let namespace = format!("test-{name}-{}", std::process::id());
        let scene = Scene { client, namespace: namespace.clone(), _use: users };
        let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        let api: Api<DynamicObject> = Api::all_with(scene.client.clone(), &Kind::Namespace.resource());
        api.create(&PostParams::default(), &serde_json::from_value(body).unwrap()).await.unwrap();
        scene
    }

    /// Deletes everything that the test has made, and waits for no more than the request.
    pub(crate) async fn close(self) {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &Kind::Namespace.resource());
        api.delete(&self.namespace, &DeleteParams::default()).await.unwrap();
    }

    /// The same where a controller has to let go of what there is: once it has ended, nobody would.
    pub(crate) async fn close_and_wait(self) {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &Kind::Namespace.resource());
        api.delete(&self.namespace, &DeleteParams::default()).await.unwrap();
        let end = Instant::now() + LONGEST;
        while api.get_opt(&self.namespace).await.unwrap().is_some() {
            assert!(Instant::now() < end, "the namespace {} does not go", self.namespace);
            sleep(Duration::from_millis(200)).await;
        }
    }

    pub(crate) fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource())
    }

    /// Makes an object of this name and spec.
    pub(crate) async fn create(&self, kind: Kind, name: &str, spec: Value) -> Value {
        self.create_with(kind, json!({ "name": name }), spec).await
    }

    pub(crate) async fn create_with(&self, kind: Kind, metadata: Value, spec: Value) -> Value {
        self.make(kind, json!({ "metadata": metadata, "spec": spec })).await
    }

    /// Makes an object, which says all but of what kind it is.
    pub(crate) async fn make(&self, kind: Kind, mut object: Value) -> Value {
        let resource = kind.resource();
        object["apiVersion"] = json!(resource.api_version);
        object["kind"] = json!(resource.kind);
        let made = self.api(kind).create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await;
        json!(made.unwrap_or_else(|error| panic!("{kind:?} is not made: {error}")))
    }

    pub(crate) async fn get(&self, kind: Kind, name: &str) -> Option<Value> {
        self.api(kind).get_opt(name).await.unwrap().map(|object| json!(object))
    }

    pub(crate) async fn list(&self, kind: Kind) -> Vec<Value> {
        let list = self.api(kind).list(&ListParams::default()).await.unwrap();
        list.items.into_iter().map(|object| json!(object)).collect()
    }

    pub(crate) async fn patch(&self, kind: Kind, name: &str, patch: Value) {
        let patched = self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.unwrap_or_else(|error| panic!("{kind:?} {name} is not patched: {error}"));
    }

    pub(crate) async fn delete(&self, kind: Kind, name: &str) {
        self.api(kind).delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until an object is as it is meant to be, and gives it.
    pub(crate) async fn until(&self, kind: Kind, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + LONGEST;
        loop {
            let seen = self.get(kind, name).await;
            if let Some(object) = seen.as_ref().filter(|object| is(object)) {
                return object.clone();
            }
            assert!(Instant::now() < end, "{kind:?} {name}: {what} does not come; it is {seen:#?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until an object's condition says this: `Ready False PodFailed`.
    pub(crate) async fn says(&self, kind: Kind, name: &str, condition: &str) -> Value {
        self.until(kind, name, condition, |object| conditions(object).iter().any(|said| said == condition)).await
    }

    /// Waits until an object is gone.
    pub(crate) async fn gone(&self, kind: Kind, name: &str) {
        let end = Instant::now() + LONGEST;
        while let Some(object) = self.get(kind, name).await {
            assert!(Instant::now() < end, "{kind:?} {name} does not go: {object:#?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// A template whose sandboxes run this command, and a pool of them.
    pub(crate) async fn pool(&self, name: &str, replicas: i32, template: Value) {
        self.create(Kind::SandboxTemplate, name, template).await;
        let spec = json!({ "replicas": replicas, "sandboxTemplateRef": { "name": name } });
        self.create(Kind::SandboxWarmPool, name, spec).await;
    }

    /// Waits until so many sandboxes of a pool are ready.
    pub(crate) async fn filled(&self, name: &str, ready: i64) {
        let what = format!("{ready} ready replicas");
        self.until(Kind::SandboxWarmPool, name, &what, |pool| pool["status"]["readyReplicas"] == ready).await;
    }
}

/// Conditions as `Type Status Reason`.
pub(crate) fn conditions(object: &Value) -> Vec<String> {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let word = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    conditions.iter().map(|c| [word(c, "type"), word(c, "status"), word(c, "reason")].join(" ")).collect()
}

/// A pod's spec with one container that runs a shell's line, under gVisor.
pub(crate) fn pod_spec(line: &str) -> Value {
    json!({
        "runtimeClassName": "gvisor", "terminationGracePeriodSeconds": 1,
        "containers": [{ "name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", line] }],
    })
}

/// A template, or a sandbox's spec, with a pod that runs this.
pub(crate) fn running(line: &str) -> Value {
    json!({ "podTemplate": { "spec": pod_spec(line) } })
}

/// What runs for as long as nobody ends it, and ends when it is told to.
pub(crate) const IDLE: &str = "trap 'exit 0' TERM; while :; do sleep 1 & wait; done";

/// The kinds that tests speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ConfigMap,
    Credential,
    EgressPolicy,
    EndpointSlice,
    Namespace,
    NetworkPolicy,
    PersistentVolumeClaim,
    Pod,
    PodSnapshot,
    PodSnapshotManualTrigger,
    Role,
    RoleBinding,
    Sandbox,
    SandboxClaim,
    SandboxSnapshot,
    SandboxTemplate,
    SandboxWarmPool,
    Secret,
    Service,
    ServiceAccount,
    ValidatingWebhookConfiguration,
    Workflow,
}

impl Kind {
    pub(crate) fn resource(self) -> ApiResource {
        let (group, version, plural) = match self {
            Kind::ConfigMap => ("", "v1", "configmaps"),
            Kind::Credential => ("exeat.dev", "v1alpha1", "credentials"),
            Kind::EgressPolicy => ("exeat.dev", "v1alpha1", "egresspolicies"),
            Kind::EndpointSlice => ("discovery.k8s.io", "v1", "endpointslices"),
            Kind::Namespace => ("", "v1", "namespaces"),
            Kind::NetworkPolicy => ("networking.k8s.io", "v1", "networkpolicies"),
            Kind::PersistentVolumeClaim => ("", "v1", "persistentvolumeclaims"),
            Kind::Pod => ("", "v1", "pods"),
            Kind::PodSnapshot => ("podsnapshot.gke.io", "v1", "podsnapshots"),
            Kind::PodSnapshotManualTrigger => ("podsnapshot.gke.io", "v1", "podsnapshotmanualtriggers"),
            Kind::Role => ("rbac.authorization.k8s.io", "v1", "roles"),
            Kind::RoleBinding => ("rbac.authorization.k8s.io", "v1", "rolebindings"),
            Kind::Sandbox => ("agents.x-k8s.io", "v1beta1", "sandboxes"),
            Kind::SandboxClaim => ("extensions.agents.x-k8s.io", "v1beta1", "sandboxclaims"),
            Kind::SandboxSnapshot => ("exeat.dev", "v1alpha1", "sandboxsnapshots"),
            Kind::SandboxTemplate => ("extensions.agents.x-k8s.io", "v1beta1", "sandboxtemplates"),
            Kind::SandboxWarmPool => ("extensions.agents.x-k8s.io", "v1beta1", "sandboxwarmpools"),
            Kind::Secret => ("", "v1", "secrets"),
            Kind::Service => ("", "v1", "services"),
            Kind::ServiceAccount => ("", "v1", "serviceaccounts"),
            Kind::ValidatingWebhookConfiguration => {
                ("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations")
            }
            Kind::Workflow => ("exeat.dev", "v1alpha1", "workflows"),
        };
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version,
            kind: format!("{self:?}"),
            plural: plural.to_owned(),
        }
    }
}

/// A client of the cluster that `EXEAT_CLUSTER` names by its kubeconfig.
async fn client() -> Option<Client> {
    let Some(path) = std::env::var_os("EXEAT_CLUSTER") else {
        skip("a cluster (`make test-cluster` starts one)");
        return None;
    };
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let known = kube::config::Kubeconfig::read_from(PathBuf::from(path)).unwrap();
    let config =
        kube::Config::from_custom_kubeconfig(known, &kube::config::KubeConfigOptions::default()).await.unwrap();
    Some(Client::try_from(config).unwrap())
}

/// A controller out of the cluster. What it says is in the file that is named if a test fails.
pub(crate) fn start_controller(name: &str, flags: &[&str]) -> Child {
    start(Command::new(exeat()), name, flags)
}

/// The controller that serves tests together. Nothing of this process is dropped when it ends, so a shell ends the controller
/// when its own input does, however that comes.
fn start_shared() -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$0\" \"$@\" & controller=$!; cat >/dev/null; kill $controller; wait"]).arg(exeat());
    let store = format!("--snapshot-store=file://{}", store().display());
    start(shell, "shared", &["--leader-elect=false", &store])
}

/// Where the controllers of these tests keep snapshots.
pub(crate) fn store() -> PathBuf {
    std::env::temp_dir().join(format!("exeat-snapshots-{}", std::process::id()))
}

/// The same, with an environment or a shell of its own.
pub(crate) fn start(mut command: Command, name: &str, flags: &[&str]) -> Child {
    let log = std::env::temp_dir().join(format!("exeat-controller-{}-{name}.log", std::process::id()));
    let file = File::options().create(true).append(true).open(&log).unwrap();
    eprintln!("the controller `{name}` writes to {}", log.display());
    command
        .args(["controller", "--namespace=default"])
        .args(["--metrics-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0"])
        .args(flags)
        .env("KUBECONFIG", std::env::var_os("EXEAT_CLUSTER").unwrap())
        .env("EXEAT_LOG", "info,exeat_controller=debug")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(file)
        .kill_on_drop(true);
    command.spawn().unwrap()
}
