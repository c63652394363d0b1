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
    /// What kind of agent a pod, or the sandbox of a claim, is for.
    pub const PROFILE: &str = "exeat.dev/profile";
    /// On a claim: the piece of work that its sandbox is part of.
    pub const WORKFLOW: &str = "exeat.dev/workflow";
}

/// Annotations.
pub mod annotations {
    /// On a claim: its sandbox's name.
    pub const SANDBOX_NAME: &str = "agents.x-k8s.io/sandbox-name";
    /// On a sandbox: its pod's name, where that was given by another.
    pub const POD_NAME: &str = "agents.x-k8s.io/pod-name";
    /// On a claim, or for its pod: the snapshot to start from.
    pub const SNAPSHOT: &str = "podsnapshot.gke.io/ps-name";
    /// On a snapshot: the pod that it was taken of.
    pub const ORIGIN_POD: &str = "podsnapshot.gke.io/origin-pod";
    /// On a claim: for whom its sandbox works.
    pub const USER: &str = "exeat.dev/user";
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
