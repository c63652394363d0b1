//! Finding the two programs that a sandbox is made with.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Failure};

/// The oldest release that will do, by its date: systrap is the default platform, and restore works as here.
const OLDEST: u32 = 20_240_729;

/// Finds `runsc`: the configured one, EXEAT_RUNSC, the first on PATH that is recent enough, or the one that `make runsc` put
/// into `~/.cache/exeat/bin`.
///
/// # Errors
/// [`Failure::NoRunsc`], or [`Failure::UnfitRunsc`] where all that are found are too old.
pub fn find_runsc(configured: Option<&Path>) -> Result<PathBuf, Error> {
    let named = configured.map(Path::to_owned).or_else(|| env::var_os("EXEAT_RUNSC").map(PathBuf::from));
    let places = match named {
        // Who names one means that one: no other is taken in its place.
        Some(path) => vec![path],
        None => on_path("runsc").chain(cache().map(|cache| cache.join("exeat/bin/runsc"))).collect(),
    };
    let mut unfit = None;
    for path in programs(&places) {
        let version = runsc_version(&path);
        match release(&version) {
            Some(release) if release >= OLDEST => return Ok(path),
            _ => unfit = unfit.or(Some(Failure::UnfitRunsc { path, version })),
        }
    }
    Err(unfit.unwrap_or_else(|| Failure::NoRunsc { looked: list(&places) }).into())
}

/// Finds `exeat-sandboxd`: EXEAT_SANDBOXD, beside the running program, or in `/usr/lib/exeat`.
///
/// # Errors
/// [`Failure::NoSandboxd`].
pub fn find_sandboxd() -> Result<PathBuf, Error> {
    const NAME: &str = "exeat-sandboxd";
    let places = match env::var_os("EXEAT_SANDBOXD") {
        Some(path) => vec![PathBuf::from(path)],
        None => {
            let beside = env::current_exe().ok().map(|program| program.with_file_name(NAME));
            beside.into_iter().chain([Path::new("/usr/lib/exeat").join(NAME)]).collect()
        }
    };
    Ok(first_program(&places).ok_or_else(|| Failure::NoSandboxd { looked: list(&places) })?)
}

fn on_path(name: &'static str) -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
    folders.into_iter().map(move |folder| folder.join(name))
}

fn cache() -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let configured = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(absolute);
    configured.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")).filter(absolute))
}

fn first_program(places: &[PathBuf]) -> Option<PathBuf> {
    programs(places).next()
}

/// Those of `places` where there is a program.
fn programs(places: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    let is_program =
        |path: &&PathBuf| path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0);
    places.iter().filter(is_program).filter_map(|path| path.canonicalize().ok())
}

fn list(places: &[PathBuf]) -> String {
    let shown = places.iter().map(|place| format!("`{}`", place.display())).collect::<Vec<_>>().join(", ");
    format!("looked at {shown}")
}

/// What a `runsc` calls itself: the first line of its `--version`.
pub fn runsc_version(path: &Path) -> String {
    let output = Command::new(path).arg("--version").env_clear().stdin(Stdio::null()).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    said.lines().next().unwrap_or("not a runsc").to_owned()
}

/// The date in `runsc version release-20260905.0`, and in Debian's `runsc version 0.0~20240729.0`.
fn release(version: &str) -> Option<u32> {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit());
    numbers.find(|digits| digits.len() == 8)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_from_what_runsc_says() {
        assert_eq!(release("runsc version release-20260905.0"), Some(20_260_905));
        assert_eq!(release("runsc version 0.0~20240729.0"), Some(20_240_729));
        assert_eq!(release("runsc version 0.0~20221219.0-1").map(|release| release >= OLDEST), Some(false));
        assert_eq!(release("runsc version VERSION_MISSING"), None);
    }

    #[test]
    fn a_named_runsc_is_the_only_one_considered() {
        let error = find_runsc(Some(Path::new("/no/runsc"))).unwrap_err().to_string();
        assert!(error.starts_with("no `runsc` found (looked at `/no/runsc`)"), "{error}");
        let error = find_runsc(Some(Path::new("/bin/true"))).unwrap_err().to_string();
        assert!(error.contains("release 20240729 or later is needed"), "{error}");
    }
}
