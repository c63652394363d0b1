//! What to run, with what.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use crate::error::Input;
use crate::limits;

/// One sandbox: what it runs, what it sees, and what it is called.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its name in logs and journals: `coder-3f9a2c17`.
    pub id: String,
    /// A private folder for this sandbox. It must not exist; it is made at the start and removed at the end.
    pub state: PathBuf,
    /// The `runsc` to use: see [`find_runsc`](crate::find_runsc).
    pub runsc: PathBuf,
    /// The `exeat-sandboxd` to use: see [`find_sandboxd`](crate::find_sandboxd).
    pub sandboxd: PathBuf,
    /// The folder at `/workspace`, read and written; the command starts there.
    pub workspace: PathBuf,
    /// The folder that holds `gateway.sock`, at `/run/exeat`. The folder is bound and not the socket, so that a
    /// gateway that starts again is found again.
    pub gateway: PathBuf,
    /// The gateway's CA, in PEM. It joins the host's trusted CAs.
    pub ca_certificate: String,
    /// Variables besides the sandbox's own; on the same name these win.
    pub environment: Vec<(String, String)>,
    /// Files to put into the home folder, by their path within it.
    pub home_files: Vec<(PathBuf, String)>,
    /// The ports that are carried for names, for tools that know no proxy: 80, 443 and whatever is configured.
    pub ports: Vec<u16>,
    /// The command and its arguments.
    pub command: Vec<OsString>,
}

impl Spec {
    /// Refuses what cannot be run, and gives the workspace and the gateway's folder as the kernel names them, so
    /// that no link changes its meaning later.
    pub(crate) fn check(&self) -> Result<Checked<'_>, Input> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.id.is_empty() || self.id.len() > 64 || !self.id.chars().all(is_plain) {
            return Err(Input::BadId(self.id.escape_debug().to_string()));
        }
        if self.ports.len() > limits::PORTS || self.ports.contains(&0) {
            return Err(Input::Ports);
        }
        for (path, _) in &self.home_files {
            check_home_file(path)?;
        }
        self.environment.iter().try_for_each(|(name, value)| check_variable(name, value))?;
        if self.command.is_empty() {
            return Err(Input::NoCommand);
        }
        let command: Result<Vec<_>, _> = self.command.iter().map(|word| utf8(word)).collect();
        // runsc is given this path while it changes folders, so it has to be absolute.
        let state = std::path::absolute(&self.state).map_err(|_| Input::NoState)?;
        let gateway = self.check_gateway()?;
        let workspace = check_workspace(&self.workspace, &[&resolve(&state), Path::new(&gateway)])?;
        Ok(Checked { spec: self, state, workspace, gateway, command: command? })
    }

    fn check_gateway(&self) -> Result<String, Input> {
        let path = self.gateway.canonicalize().map_err(|_| Input::NoGateway(self.gateway.clone()))?;
        if path.is_dir() { utf8(path.as_os_str()).map(str::to_owned) } else { Err(Input::NoGateway(path)) }
    }
}

/// Refuses a folder that cannot be a sandbox's workspace, and gives it as the kernel names it. `ours` are folders that it must
/// not hold.
///
/// # Errors
/// [`Input`]
pub fn check_workspace(workspace: &Path, ours: &[&Path]) -> Result<String, Input> {
    let path = workspace.canonicalize().map_err(|_| Input::NoWorkspace(workspace.to_owned()))?;
    if !path.is_dir() {
        return Err(Input::WorkspaceNotFolder(workspace.to_owned()));
    }
    // Whoever can write above our folders can change what the next sandbox is made of.
    if path == Path::new("/") || ours.iter().any(|own| own.starts_with(&path)) {
        return Err(Input::WorkspaceTooWide(workspace.to_owned()));
    }
    utf8(path.as_os_str()).map(str::to_owned)
}

/// Refuses what no environment can hold.
///
/// # Errors
/// [`Input::Variable`].
pub fn check_variable(name: &str, value: &str) -> Result<(), Input> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        return Err(Input::Variable(name.escape_debug().to_string()));
    }
    Ok(())
}

/// A specification that can be run.
pub(crate) struct Checked<'a> {
    pub(crate) spec: &'a Spec,
    /// Absolute.
    pub(crate) state: PathBuf,
    /// Canonical.
    pub(crate) workspace: String,
    /// Canonical.
    pub(crate) gateway: String,
    pub(crate) command: Vec<&'a str>,
}

/// The path as the kernel will name it: what exists of it without links, and the rest as it is.
fn resolve(path: &Path) -> PathBuf {
    let existing = path.ancestors().find_map(|above| Some((above.canonicalize().ok()?, above)));
    let resolved = existing.and_then(|(real, above)| Some(real.join(path.strip_prefix(above).ok()?)));
    resolved.unwrap_or_else(|| path.to_owned())
}

fn check_home_file(path: &Path) -> Result<(), Input> {
    let is_within = path.components().all(|part| matches!(part, Component::Normal(_)));
    if is_within && path.file_name().is_some() { Ok(()) } else { Err(Input::HomeFile(path.to_owned())) }
}

fn utf8(text: &OsStr) -> Result<&str, Input> {
    text.to_str().filter(|text| !text.contains('\0')).ok_or_else(|| Input::NotUtf8(text.display().to_string()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn spec() -> Spec {
        Spec {
            id: "coder-1".into(),
            state: "/var/lib/exeat/coder-1".into(),
            runsc: "/runsc".into(),
            sandboxd: "/sandboxd".into(),
            workspace: "/usr/share".into(),
            gateway: "/usr".into(),
            ca_certificate: String::new(),
            environment: vec![],
            home_files: vec![],
            ports: vec![80],
            command: vec!["true".into()],
        }
    }

    fn refusal(change: impl FnOnce(&mut Spec)) -> String {
        let mut spec = spec();
        change(&mut spec);
        spec.check().err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_cannot_be_run_is_refused_in_words() {
        assert_eq!(refusal(|_| ()), "");
        assert_eq!(refusal(|spec| spec.workspace = "/no".into()), "the workspace `/no` does not exist");
        assert_eq!(
            refusal(|spec| spec.workspace = "/etc/passwd".into()),
            "the workspace `/etc/passwd` is not a folder"
        );
        for workspace in ["/", "/var/lib", "/usr"] {
            assert!(refusal(|spec| spec.workspace = workspace.into()).contains("choose a folder below it"));
        }
        assert_eq!(refusal(|spec| spec.gateway = "/no".into()), "the gateway's folder `/no` does not exist");
        assert_eq!(refusal(|spec| spec.command.clear()), "no command given");
        assert!(refusal(|spec| spec.command = vec![OsString::from_vec(vec![0xff])]).contains("is not UTF-8"));
        assert!(refusal(|spec| spec.id = "../x".into()).contains("cannot name a sandbox"));
        for path in ["../x", "/etc/x", "a/../../b", ""] {
            assert!(refusal(|spec| spec.home_files = vec![(path.into(), String::new())]).contains("home folder"));
        }
        assert!(refusal(|spec| spec.environment = vec![("A=B".into(), String::new())]).contains("`A=B`"));
        assert!(refusal(|spec| spec.ports = vec![0]).contains("ports"));
    }
}
