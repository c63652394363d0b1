//! Kubernetes' own kinds, as far as anything is asked of them here: what is not a field is not even kept, so that
//! thousands of pods are cheap to watch.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

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
        pub(crate) struct $name {
            /// Its metadata.
            pub(crate) metadata: ObjectMeta,
            $($(#[$what])* pub(crate) $field: $type,)*
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
    /// A namespace, of which only its labels matter, by which they are chosen.
    Namespace of core::Namespace {}
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
pub(crate) struct PodSpec {
    /// The machine, once there is one.
    pub(crate) node_name: Option<String>,
}

/// How a pod is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
    pub(crate) phase: Option<String>,
    /// Its addresses.
    #[serde(rename = "podIPs")]
    pub(crate) pod_ips: Vec<PodIp>,
    /// `Ready`, `PodScheduled` and others.
    pub(crate) conditions: Vec<PodCondition>,
}

/// One address of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct PodIp {
    /// The address.
    pub(crate) ip: String,
}

/// What is the case with a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodCondition {
    /// What it is about.
    #[serde(rename = "type")]
    pub(crate) of: String,
    /// `True`, `False`, `Unknown`.
    pub(crate) status: String,
    /// Why, in a word.
    pub(crate) reason: Option<String>,
    /// Why, for people.
    pub(crate) message: Option<String>,
}

impl Pod {
    /// The condition of this type.
    pub(crate) fn condition(&self, of: &str) -> Option<&PodCondition> {
        self.status.conditions.iter().find(|condition| condition.of == of)
    }

    /// Whether it takes requests.
    pub(crate) fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|condition| condition.status == "True")
    }

    /// Whether its processes run, and nobody has told them to end.
    pub(crate) fn runs(&self) -> bool {
        self.status.phase.as_deref() == Some("Running") && self.metadata.deletion_timestamp.is_none()
    }

    /// Where it is connected to.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.status.pod_ips.first()?.ip.parse().ok()
    }

    /// Its addresses.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.status.pod_ips.iter().map(|address| address.ip.clone()).collect()
    }
}

/// What a Service leads to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServiceSpec {
    /// Its address; `None` for a headless one.
    #[serde(rename = "clusterIP")]
    pub(crate) cluster_ip: Option<String>,
    /// Labels of the pods.
    pub(crate) selector: BTreeMap<String, String>,
    /// Its ports, as JSON.
    pub(crate) ports: Vec<Value>,
}
