//! Kubernetes' own kinds, as far as anything is asked of them here: what is not a field is not even kept, so that
//! thousands of pods are cheap to watch.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::Deserialize;
use serde_json::Value;

macro_rules! view {
    ($(#[$doc:meta])* $name:ident of $kind:ty { $($(#[$what:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Deserialize)]
        #[serde(default)]
        pub struct $name {
            /// Its metadata.
            pub metadata: ObjectMeta,
            $($(#[$what])* pub $field: $type,)*
        }

        impl Resource for $name {
            type DynamicType = ();
            type Scope = NamespaceResourceScope;

            fn kind((): &()) -> Cow<'_, str> {
                <$kind>::kind(&())
            }

            fn group((): &()) -> Cow<'_, str> {
                <$kind>::group(&())
            }

            fn version((): &()) -> Cow<'_, str> {
                <$kind>::version(&())
            }

            fn plural((): &()) -> Cow<'_, str> {
                <$kind>::plural(&())
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

view! {
    /// A pod.
    Pod of core::Pod {
        /// Where it runs.
        spec: PodSpec,
        /// How it is.
        status: PodStatus,
    }
}

view! {
    /// A Service.
    Service of core::Service {
        /// What it leads to.
        spec: ServiceSpec,
    }
}

view! {
    /// A volume claim.
    VolumeClaim of core::PersistentVolumeClaim {}
}

view! {
    /// A network policy.
    NetworkPolicy of networking::NetworkPolicy {
        /// Its rules, as JSON.
        spec: Value,
    }
}

view! {
    /// A configuration map.
    ConfigMap of core::ConfigMap {
        /// Its values.
        data: BTreeMap<String, String>,
    }
}

/// Where a pod runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// The machine, once there is one.
    pub node_name: Option<String>,
}

/// How a pod is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
    pub phase: Option<String>,
    /// Its addresses.
    #[serde(rename = "podIPs")]
    pub pod_ips: Vec<PodIp>,
    /// `Ready`, `PodScheduled` and others.
    pub conditions: Vec<PodCondition>,
}

/// One address of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PodIp {
    /// The address.
    pub ip: String,
}

/// What is the case with a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodCondition {
    /// What it is about.
    #[serde(rename = "type")]
    pub of: String,
    /// `True`, `False`, `Unknown`.
    pub status: String,
    /// Why, in a word.
    pub reason: Option<String>,
    /// Why, for people.
    pub message: Option<String>,
}

impl Pod {
    /// The condition of this type.
    pub fn condition(&self, of: &str) -> Option<&PodCondition> {
        self.status.conditions.iter().find(|condition| condition.of == of)
    }

    /// Whether it takes requests.
    pub fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|condition| condition.status == "True")
    }

    /// Its addresses.
    pub fn addresses(&self) -> Vec<String> {
        self.status.pod_ips.iter().map(|address| address.ip.clone()).collect()
    }
}

/// What a Service leads to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// Its address; `None` for a headless one.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<String>,
    /// Labels of the pods.
    pub selector: BTreeMap<String, String>,
    /// Its ports, as JSON.
    pub ports: Vec<Value>,
}
