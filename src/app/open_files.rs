//! How many files this process may have open at a time, and how many of them unproven connections may take.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for the store, the senders, templates and the log.
const RESERVED: usize = 256;

/// Raises the soft limit to the hard one, and answers how many files may be open. What cannot be raised stays as it is.
pub fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            limit.current
        }
    };
    // No limit at all.
    let Some(current) = current else { return usize::MAX };
    usize::try_from(current).unwrap_or(usize::MAX)
}

/// How many connections there may be at a time where so many files may be open, `most` at the most.
pub fn connections(open_files: usize, most: usize) -> usize {
    let left = open_files.saturating_sub(RESERVED).max(open_files / 2).min(most);
    if left < most {
        tracing::warn!(
            open_files,
            connections = left,
            "few files may be open (ulimit -n), so few connections are accepted at a time"
        );
    }
    left.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_and_the_senders_keep_files_for_themselves() {
        let connections = [(usize::MAX, 1024), (1024, 768), (400, 200), (64, 32), (1, 1)];
        for (open_files, expected) in connections {
            assert_eq!(super::connections(open_files, 1024), expected, "{open_files}");
        }
    }

    #[test]
    fn after_raising_the_limit_the_soft_one_is_the_hard_one() {
        raise_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
