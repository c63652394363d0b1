//! Whether this machine lets this user have namespaces, and what to change where it does not.

use std::fs;

use crate::error::{Error, Failure};
use crate::helper::Helper;
use crate::order::Order;
use crate::streams::Streams;

/// Settings that forbid namespaces: the file, what it then says, and what to do.
const SETTINGS: &[(&str, &str, &str)] = &[
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "the setting that forbids it is `kernel.unprivileged_userns_clone`: `sysctl -w \
         kernel.unprivileged_userns_clone=1`",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor forbids it: give `exeat` a profile with `userns,`, or `sysctl -w \
         kernel.apparmor_restrict_unprivileged_userns=0`",
    ),
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "the setting that forbids it is `user.max_user_namespaces`: `sysctl -w user.max_user_namespaces=15000`",
    ),
];
/// Where no setting explains it.
const OTHERWISE: &str = "inside a container, its seccomp profile must permit `unshare` and `mount` (docker: \
                         `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`)";

/// Tries to have the namespaces that a sandbox needs.
///
/// # Errors
/// [`Failure::NoNamespaces`] with the setting to change.
pub fn check_host() -> Result<(), Error> {
    let status = Helper::start(&Order::Check, Streams::none())?.finish(None)?;
    if status.success() { Ok(()) } else { Err(no_namespaces(status.to_string()).into()) }
}

/// The failure, with the advice that fits this machine.
pub(crate) fn no_namespaces(why: String) -> Failure {
    let holds = |(path, forbidding, _): &&(&str, &str, &str)| {
        fs::read_to_string(path).is_ok_and(|value| value.trim() == *forbidding)
    };
    let advice = SETTINGS.iter().find(holds).map_or(OTHERWISE, |(_, _, advice)| advice);
    Failure::NoNamespaces { why: why.to_lowercase(), advice: advice.to_owned() }
}
