//! Paths: which file of the sandbox a request means.
//!
//! A path outside of the root is refused in the two APIs for files because their callers are promised so. It protects
//! nothing: a link leads anywhere, and the same caller can run commands.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use exeat_inside::limits;
use exeat_inside::status::{Code, Status};
use percent_encoding::percent_decode_str;

/// The file below `root` that a percent-encoded path of a request names. A path that begins with `/` must begin with
/// the root, or be `/`, which is the root.
pub(super) fn below(root: &Path, encoded: &str) -> Result<PathBuf, Status> {
    inside(root, percent_decode_str(encoded).collect())
}

/// As [`below`], for a path that is not encoded.
pub(super) fn inside(root: &Path, path: Vec<u8>) -> Result<PathBuf, Status> {
    let path = checked(path)?;
    let relative = match path.strip_prefix(root) {
        Ok(relative) => relative,
        Err(_) if path == Path::new("/") => Path::new(""),
        Err(_) if path.is_absolute() => return Err(outside(&path)),
        Err(_) => &path,
    };
    let mut place = root.to_owned();
    let mut depth = 0_usize;
    for component in relative.components() {
        match component {
            Component::Normal(name) => {
                place.push(name);
                depth += 1;
            }
            Component::ParentDir => {
                depth = depth.checked_sub(1).ok_or_else(|| outside(&path))?;
                place.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Ok(place)
}

/// Any path of the sandbox; a relative one begins at `root`.
pub(super) fn anywhere(root: &Path, path: &str) -> Result<PathBuf, Status> {
    Ok(root.join(checked(path.as_bytes().to_vec())?))
}

fn checked(path: Vec<u8>) -> Result<PathBuf, Status> {
    if path.len() > limits::PATH_BYTES {
        return Err(Status::new(Code::InvalidArgument, "the path is longer than 4096 bytes"));
    }
    if path.contains(&0) {
        return Err(Status::new(Code::InvalidArgument, "the path contains NUL"));
    }
    Ok(PathBuf::from(OsString::from_vec(path)))
}

fn outside(path: &Path) -> Status {
    let path = path.to_string_lossy();
    Status::new(Code::PermissionDenied, format!("`{}` is outside of the sandbox's root for files", path.escape_debug()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(path: &str) -> Result<String, Code> {
        let place = below(Path::new("/workspace"), path);
        place.map(|place| place.to_str().unwrap().to_owned()).map_err(|status| status.code)
    }

    #[test]
    fn paths_begin_at_the_root() {
        for (path, place) in [
            ("", "/workspace"),
            ("%2F", "/workspace"),
            ("a/b", "/workspace/a/b"),
            ("a%2Fb%20c", "/workspace/a/b c"),
            ("%2Fworkspace%2Fa", "/workspace/a"),
            ("a/%2E%2E/b/.//c/", "/workspace/b/c"),
        ] {
            assert_eq!(of(path).as_deref(), Ok(place), "{path}");
        }
    }

    #[test]
    fn what_leads_out_is_refused() {
        for path in ["..", "a/../../b", "%2E%2E%2Fetc", "%2Fetc%2Fpasswd", "%2Fworkspace2", "%2Fworkspace/.."] {
            assert_eq!(of(path), Err(Code::PermissionDenied), "{path}");
        }
        assert_eq!(of("a%00b"), Err(Code::InvalidArgument));
        assert_eq!(of(&"a".repeat(4097)), Err(Code::InvalidArgument));
    }

    proptest! {
        #[test]
        fn a_place_is_below_the_root(path in "[a/.%2EF]{0,40}") {
            if let Ok(place) = below(Path::new("/workspace"), &path) {
                prop_assert!(place.starts_with("/workspace"));
                prop_assert!(place.components().all(|part| part != Component::ParentDir));
            }
        }
    }
}
