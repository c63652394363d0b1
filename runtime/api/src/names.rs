//! Labels and annotations that mean something.

/// Labels.
pub mod labels {
    /// Which sandbox a pod, a snapshot or a service belongs to: [`super::name_hash`] of its name.
    pub const NAME_HASH: &str = "agents.x-k8s.io/sandbox-name-hash";
    /// The UID of the claim whose sandbox it is.
    pub const CLAIM_UID: &str = "agents.x-k8s.io/claim-uid";
    /// The pool that a sandbox waits in.
    pub const WARM_POOL: &str = "agents.x-k8s.io/warm-pool-sandbox";
    /// `warm` out of a pool, `cold` without.
    pub const LAUNCH_TYPE: &str = "agents.x-k8s.io/launch-type";
    /// `true` on a pod, a Service or a volume that is nobody's: a sandbox may take it.
    pub const ADOPTABLE: &str = "agents.x-k8s.io/adoptable";
    /// Which client made a claim.
    pub const CREATED_BY: &str = "agents.x-k8s.io/created-by";
    /// [`super::name_hash`] of the name of the template that a sandbox is made from.
    pub const TEMPLATE_REF_HASH: &str = "agents.x-k8s.io/sandbox-template-ref-hash";
    /// A word for what that template said when a sandbox in a pool was made.
    pub const TEMPLATE_HASH: &str = "agents.x-k8s.io/sandbox-template-hash";
    /// What older controllers wrote for that.
    pub const POD_TEMPLATE_HASH: &str = "agents.x-k8s.io/sandbox-pod-template-hash";
    /// The profile of the agent in a pod, on its template: it has the gateway as its only way out.
    pub const PROFILE: &str = "exeat.dev/profile";
    /// On a claim: the piece of work that its sandbox is part of.
    pub const WORKFLOW: &str = "exeat.dev/workflow";
    /// On a snapshot that nobody asked for: `suspend` or `rollback`, which it was taken before.
    pub const TAKEN_BEFORE: &str = "exeat.dev/taken-before";
    /// `true` on a namespace whose pods must all have the gateway as their only way out.
    pub const ENFORCE: &str = "exeat.dev/enforce";
}

/// Annotations.
pub mod annotations {
    /// On a sandbox: its pod's name, where an older controller gave it another than the sandbox's.
    pub const POD_NAME: &str = "agents.x-k8s.io/pod-name";
    /// On a sandbox: the template that it was made from.
    pub const TEMPLATE_REF: &str = "agents.x-k8s.io/sandbox-template-ref";
    /// On a pod: the labels that it has from its template, with commas between.
    pub const PROPAGATED_LABELS: &str = "agents.x-k8s.io/propagated-labels";
    /// On a pod: the annotations that it has from its template, with commas between.
    pub const PROPAGATED_ANNOTATIONS: &str = "agents.x-k8s.io/propagated-annotations";
    /// On a claim: when its client began to ask for it (RFC 3339).
    pub const FIRST_REQUESTED: &str = "agents.x-k8s.io/client-first-requested-at";
    /// On a sandbox or its pod's template: after how many seconds without use it is suspended.
    pub const IDLE_SECONDS: &str = "exeat.dev/idle-seconds";
    /// On a sandbox: when it was last used (RFC 3339); the router writes it.
    pub const LAST_ACTIVE: &str = "exeat.dev/last-active";
    /// On a suspended sandbox: `idle` where nobody asked for it.
    pub const SUSPENDED_BY: &str = "exeat.dev/suspended-by";
    /// On a sandbox or its pod's template: `on-failure` to make a failed pod anew, with the same volumes.
    pub const RECREATE: &str = "exeat.dev/recreate";
    /// On a sandbox: how often that has been done.
    pub const RECREATIONS: &str = "exeat.dev/recreations";
    /// On a claim: its sandbox's name.
    pub const SANDBOX_NAME: &str = "agents.x-k8s.io/sandbox-name";
    /// On a claim, or for its pod: the snapshot to start from.
    pub const SNAPSHOT: &str = "podsnapshot.gke.io/ps-name";
    /// On a snapshot: the pod that it was taken of.
    pub const ORIGIN_POD: &str = "podsnapshot.gke.io/origin-pod";
    /// On a sandbox: the snapshot to go back to. It is taken away when that is done.
    pub const ROLLBACK_TO: &str = "exeat.dev/rollback-to";
    /// On a sandbox that goes back: the snapshot of what is there until then.
    pub const BEFORE_ROLLBACK: &str = "exeat.dev/before-rollback";
    /// On a sandbox: the snapshot that its running pod is being restored from.
    pub const RESTORING: &str = "exeat.dev/restoring";
    /// On a sandbox: the snapshot of [`SNAPSHOT`] that it has been started from, so that the next pod is not again.
    pub const RESTORED: &str = "exeat.dev/restored";
    /// On a sandbox: the last snapshot that was taken of it or that it went back to. The next one follows it, and a pod
    /// whose workspace is on no volume starts from it.
    pub const LAST_SNAPSHOT: &str = "exeat.dev/snapshot";
    /// On a claim: for whom its sandbox works.
    pub const USER: &str = "exeat.dev/user";
}

/// Finalizers.
pub mod finalizers {
    /// On a snapshot: it stays until it is out of the store.
    pub const STORED: &str = "exeat.dev/snapshot-store";
}

/// A name as a label's value: 32-bit FNV-1a in eight hex digits (`sandbox-name-hash`).
pub fn name_hash(name: &str) -> String {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

/// The selector of what belongs to a sandbox, as in its `status.selector`.
pub fn name_selector(name: &str) -> String {
    format!("{}={}", labels::NAME_HASH, name_hash(name))
}

#[cfg(test)]
mod tests {
    use super::name_hash;

    /// The figures of the FNV reference (<http://www.isthe.com/chongo/tech/comp/fnv/>, test vectors of FNV-1a).
    #[test]
    fn the_hash_is_fnv_1a() {
        for (text, hash) in [("", "811c9dc5"), ("a", "e40c292c"), ("foobar", "bf9cf968")] {
            assert_eq!(name_hash(text), hash, "{text}");
        }
    }
}
