//! Following symlinks inside a tree, as a process with the tree as its root would.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::Tree;
use crate::error::Error;
use crate::limits;
use crate::stat::Kind;

impl Tree {
    /// The path without symlinks that `path` leads to: absolute targets start at the tree's root, and `..` never leaves
    /// it. What it leads to need not exist.
    ///
    /// # Errors
    /// [`Error::NotThere`] after 40 symlinks, [`Error::TooDeep`] where the targets add up to too long a path.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf, Error> {
        let mut done = PathBuf::new();
        let mut rest = steps(path);
        let mut links = 0;
        while let Some(step) = rest.pop() {
            let name = match step {
                Step::Root => {
                    done.clear();
                    continue;
                }
                Step::Up => {
                    done.pop();
                    continue;
                }
                Step::Into(name) => name,
            };
            done.push(name);
            if self.stat(&done)?.is_some_and(|stat| stat.kind == Kind::Symlink) {
                links += 1;
                let target = self.read_link(&done)?;
                done.pop();
                rest.extend(steps(&target));
            }
            if links > limits::SYMLINKS || rest.len() > limits::PATH {
                return Err(Error::NotThere { path: path.to_owned(), wanted: "a path whose symlinks end" });
            }
        }
        Ok(done)
    }
}

enum Step {
    Root,
    Up,
    Into(OsString),
}

/// The steps of a path, last first.
fn steps(path: &Path) -> Vec<Step> {
    let step = |part: Component<'_>| match part {
        Component::RootDir => Some(Step::Root),
        Component::ParentDir => Some(Step::Up),
        Component::Normal(name) => Some(Step::Into(name.to_owned())),
        Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(step).collect()
}
