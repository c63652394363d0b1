//! `exeat-sandboxd install FOLDER`: puts this program into a folder that others share, as an init container does for
//! the container whose process 1 it is to be. `--unrestored FOLDER` marks a workspace that has still to be restored.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const NAME: &str = "exeat-sandboxd";

/// Copies this program. Whoever finds it there finds all of it, also where it is put there once more.
pub(crate) fn install(folder: &Path) -> io::Result<()> {
    let new = folder.join(format!(".{NAME}.new"));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(&new)?;
    io::copy(&mut fs::File::open(std::env::current_exe()?)?, &mut file)?;
    // Not by the mode at its making, which the umask would narrow.
    file.set_permissions(Permissions::from_mode(0o755))?;
    drop(file);
    fs::rename(&new, folder.join(NAME))
}
