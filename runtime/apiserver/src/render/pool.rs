//! `SandboxWarmPool` and `SandboxTemplate`: what the configuration says.

use exeat_api::{
    InjectionPolicy, NetworkPolicyManagement, ObjectMeta, PodTemplate, SandboxTemplate, SandboxTemplateSpec,
    SandboxWarmPool, SandboxWarmPoolSpec, SandboxWarmPoolStatus, TemplateRef, labels, name_hash,
};
use exeat_supervisor::Pool;

use super::sandbox::pod_spec;

/// A pool.
pub(crate) fn pool(pool: &Pool) -> SandboxWarmPool {
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let spec = SandboxWarmPoolSpec {
        replicas: Some(number(pool.replicas)),
        sandbox_template_ref: TemplateRef { name: pool.name.to_string() },
        update_strategy: None,
    };
    let status = SandboxWarmPoolStatus {
        replicas: number(pool.ready),
        ready_replicas: number(pool.ready),
        selector: format!("{}={}", labels::WARM_POOL, name_hash(pool.name.as_str())),
        observed_generation: Some(1),
    };
    SandboxWarmPool { metadata: metadata(pool, "pool"), spec, status: Some(status) }
}

/// The template of a pool, which has its name.
pub(crate) fn template(pool: &Pool) -> SandboxTemplate {
    let spec = SandboxTemplateSpec {
        pod_template: PodTemplate { spec: pod_spec(&pool.spec).into(), ..PodTemplate::default() },
        network_policy_management: NetworkPolicyManagement::Unmanaged,
        env_vars_injection_policy: InjectionPolicy::Overrides,
        ..SandboxTemplateSpec::default()
    };
    SandboxTemplate { metadata: metadata(pool, "template"), spec }
}

/// A pool is the same one for as long as the configuration has one of this name.
fn metadata(pool: &Pool, word: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(pool.name.to_string()),
        namespace: Some(pool.namespace.to_string()),
        uid: Some(format!("{word}.{}.{}", pool.namespace, pool.name)),
        generation: Some(1),
        ..ObjectMeta::default()
    }
}
