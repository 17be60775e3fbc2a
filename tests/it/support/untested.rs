//! What a machine does not have, and so cannot be tested on it: said aloud, never passed over in silence.

use std::io;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Says what was not tested, past the test runner, which shows nothing of what passes.
pub fn say(what: &str) {
    let _ = writeln!(io::stderr(), "\nNOT TESTED: {what}");
}

/// A small file system of its own.
pub struct Tmpfs(TempDir);

impl Tmpfs {
    /// `None` where this process may not mount; that is said.
    pub fn mount() -> Option<Self> {
        Self::mount_of("3m")
    }

    /// As [`Tmpfs::mount`], of another size.
    pub fn mount_of(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        let why = match mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path()).output()
        {
            Ok(output) if output.status.success() => return Some(Self(folder)),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => format!("mount: {error}"),
        };
        say(&format!("a file system without room, because none can be mounted: {why}"));
        None
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        let mut file = std::fs::File::create(self.path().join("filler")).expect("a file");
        let (mut piece, mut written) = (64 * 1024, 0);
        while piece > 0 {
            match file.write(&vec![0; piece]) {
                Ok(bytes) => written += bytes,
                Err(_) => piece /= 2,
            }
        }
        assert!(written > 0, "there was room before");
    }

    pub fn clear(&self) {
        std::fs::remove_file(self.path().join("filler")).expect("the filler goes");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily, because a test that failed may still hold files open.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
