//! What the process that renders may take of the machine; it binds itself before it touches any template.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// What one process may take beyond what it has when it begins. A message of the allowed 256 KiB takes a few MiB.
pub const MEMORY_MIB: u64 = 256;

/// Seconds of computing for one message, or for parsing one file; the system counts whole ones, so it may be one more.
pub const SECONDS: u64 = 2;

/// A macro may call itself some hundred times before the engine refuses it.
pub const STACK_BYTES: usize = 16 * 1024 * 1024;

/// # Errors
/// A limit cannot be set: then nothing must be rendered here.
pub fn bind() -> rustix::io::Result<()> {
    lower(Resource::Core, 0)?;
    let allowed = MEMORY_MIB * 1024 * 1024;
    // Where that cannot be known, it is less than as much again.
    let begun_with = pages().map_or(allowed, |pages| pages * rustix::param::page_size() as u64);
    lower(Resource::As, begun_with + allowed)?;
    // Where the machine has not even so much, it ends this process rather than the daemon.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

/// Allows computing for what comes next.
///
/// # Errors
/// As [`bind`].
pub fn begin() -> rustix::io::Result<()> {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec;
    let current = Some(u64::try_from(used).unwrap_or(0) + SECONDS + 1);
    let maximum = getrlimit(Resource::Cpu).maximum;
    setrlimit(Resource::Cpu, Rlimit { current, maximum })
}

fn lower(resource: Resource, bound: u64) -> rustix::io::Result<()> {
    let bound = getrlimit(resource).maximum.map_or(bound, |maximum| maximum.min(bound));
    setrlimit(resource, Rlimit { current: Some(bound), maximum: Some(bound) })
}

/// The pages of this process's address space.
fn pages() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split(' ').next()?.parse().ok()
}
